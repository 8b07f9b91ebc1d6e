"""The embedded parsers: trained the same way each time, on people of no other set, and as good as their names say."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.part_maps.labels import LIP
from pivl.errors import UserError
from pivl.parsers import embedded, pretrain
from pivl.parsers.card import CARD, write_card
from pivl.parsers.embedded import (
    embedded_parser,
    parse_pictures,
    read_network,
    save_network,
    weights_of,
)
from pivl.parsers.pretrain import (
    HELD_OUT,
    STEPS,
    TRAINING_SET,
    ParserReport,
    ParserTraining,
    pretrain_parser,
    train_parser,
)
from pivl.parsers.score import ParsingScore, count_pixels
from pivl.parsers.score_interval import score_interval
from pivl.parsers.unet import UNet
from pivl.synthped.benchmark import (
    PRETRAINING,
    SYNTHPED,
    draw_benchmark_people,
    draw_pretraining_people,
    pretraining_people,
)
from pivl.synthped.names import PARSERS
from pivl.synthped.pretraining.card import Origin
from pivl.synthped.pretraining.tiny_clip import HELD_OUT as CLIP_HELD_OUT
from pivl.system.files import sha256_of
from tests.support.parser_files import end, halves

FEW = replace(HELD_OUT, name="few-to-parse", people=8, shots=2, cameras=4, passers_by=4)
SHORT = ParserTraining(steps=3, batch=4)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Sixteen pictures of eight people whom no parser saw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return pretraining_people(FEW).pictures


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_picture_becomes_logits_of_every_part_at_half_its_size():
    assert UNet(20)(torch.zeros(2, 3, 64, 32)).shape == (2, 20, 32, 16)


def test_the_same_seed_gives_the_same_bits_whatever_the_threads(few):
    threads = torch.get_num_threads()
    first = train_parser(few, SHORT, 0, lambda stage, step: None).state_dict()
    torch.set_num_threads(2)
    try:
        again = train_parser(few, SHORT, 0, lambda stage, step: None).state_dict()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    other = train_parser(few, SHORT, 1, lambda stage, step: None).state_dict()
    assert same(first, again)
    assert not same(first, other)


def test_a_loss_that_falls_is_heard_of_at_every_step(few):
    heard = []
    train_parser(
        few, replace(SHORT, steps=12), 0, lambda stage, step: heard.append(float(step.terms["parts"]))
    )
    assert len(heard) == 12
    assert np.mean(heard[-3:]) < 0.8 * np.mean(heard[:3])


def test_weights_are_read_as_they_were_written_and_nothing_else_is(tmp_path):
    network = UNet(len(LIP.parts), torch.Generator().manual_seed(0)).eval()
    save_network(tmp_path / "one.safetensors", network, {"seed": 0})
    save_network(tmp_path / "two.safetensors", network, {"seed": 0})
    assert sha256_of(tmp_path / "one.safetensors") == sha256_of(tmp_path / "two.safetensors")
    read = read_network(tmp_path / "one.safetensors").state_dict()
    assert same({name: value.half().float() for name, value in network.state_dict().items()}, read)
    with pytest.raises(UserError, match="holds no network of the embedded parsers"):
        read_network(embedded.weights_of("parser-s").parents[1] / "synthped" / "tiny_clip.safetensors")
    network.head.weight.data.fill_(1e6)
    with pytest.raises(ValueError, match="not finite in float16"):
        save_network(tmp_path / "one.safetensors", network, {})


def test_a_whole_set_is_parsed_as_each_picture_alone(few, monkeypatch):
    monkeypatch.setattr(embedded, "BATCH", 6)
    parser, counted = embedded_parser("parser-s"), []
    together = parse_pictures(parser, few.image, lambda done, total: counted.append((done, total)))
    assert counted == [(6, 16), (12, 16), (16, 16)]
    alone = torch.stack([parser.parse([image.permute(1, 2, 0)])[0].part_map for image in few.image])
    assert (together != alone).float().mean() < 1e-4  # but for ties of float32


def test_a_larger_budget_is_a_better_parser(few):
    """On people of neither set; their card has the figures. Taught on version 1, which costs them."""
    scores = []
    for name in PARSERS:
        found = parse_pictures(embedded_parser(name), few.image).numpy()
        pixels = count_pixels(found, few.part_map.numpy(), len(LIP.parts))
        scores.append(ParsingScore(LIP, pixels, 1, 1).pixel_accuracy)  # of few pictures surer than mIoU
    assert all(better > worse + 0.01 for worse, better in itertools.pairwise(scores)), scores
    assert list(STEPS) == list(PARSERS)
    assert sorted(STEPS.values()) == [*STEPS.values()]


def test_nobody_they_were_taught_on_is_in_another_set():
    """By texture seeds, which a family has to itself."""
    sets = [
        *(set(people.texture_seed.tolist()) for people in draw_benchmark_people(SYNTHPED)),
        *(set(draw_pretraining_people(config).texture_seed.tolist())
          for config in (TRAINING_SET, HELD_OUT, replace(PRETRAINING, people=500), CLIP_HELD_OUT)),
    ]  # fmt: skip
    for one, other in itertools.combinations(sets, 2):
        assert not one & other


def test_the_card_says_what_was_measured_of_the_files_that_are_shipped():
    card = CARD.read_text(encoding="utf-8")
    for name in PARSERS:
        assert weights_of(name).stat().st_size < 1_000_000
        assert sha256_of(weights_of(name)) in card


def test_the_spread_is_that_of_people_drawn_again():
    """Two people whose maps are right and wrong: drawn again they are both right, both wrong or one of each."""
    truth = np.zeros((4, 8, 8), np.uint8)
    truth[:, :4] = 5
    predicted = truth.copy()
    predicted[2:] = 5 - truth[2:]
    found = score_interval(predicted, truth, np.array([3, 3, 7, 7]), LIP, np.random.default_rng(0))
    assert found.each.tolist() == [1, 1, 0, 0]
    assert found.score.mean_iou == pytest.approx(1 / 3)  # half of the pixels of each class, over their union
    assert (found.low, found.high) == (0, 1)
    assert found.error == pytest.approx(np.std([0, 1 / 3, 1 / 3, 1]), rel=0.05)


def test_pretrain_writes_weights_and_a_card(few, tmp_path, monkeypatch):
    monkeypatch.setattr(
        pretrain, "pretraining_people", lambda config, report: type("Set", (), {"pictures": few})
    )
    made = pretrain_parser("parser-s", tmp_path, 0, replace(SHORT, steps=8), lambda stage, step: None)
    assert isinstance(made, ParserReport)
    write_card(tmp_path / "PARSERS.md", [made], Origin("abc1234", "a test"))
    card = (tmp_path / "PARSERS.md").read_text(encoding="utf-8")
    assert sha256_of(tmp_path / "parser_s.safetensors") in card
    assert f"{100 * made.held_out.score.mean_iou:.1f} [" in card


def test_they_parse_folders_too(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(halves((50, 30))).convert("RGB").save(tmp_path / "images" / "a.jpg")
    assert end(tmp_path / "images", "--parser", "parser-l", "--output", tmp_path / "maps") == 0
    with Image.open(tmp_path / "maps" / "a.png") as part_map:
        assert part_map.size == (30, 50)
    assert json.loads((tmp_path / "maps" / "meta.json").read_text())["parser"] == "parser-l"
