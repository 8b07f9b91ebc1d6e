"""The tiny CLIP: what it is taught, that its training is repeatable and works, and what the shipped file knows."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.prompts import Prompts
from pivl.synthped.benchmark import PRETRAINING, pretraining_people
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.synthped.pretraining import tiny_clip
from pivl.synthped.pretraining.batches import LEAST_PIXELS, BatchMix, BatchPlan, Corpus, describe, draw_batch
from pivl.synthped.pretraining.card import Origin
from pivl.synthped.pretraining.clip_card import write_card
from pivl.synthped.pretraining.clip_training import (
    Pretraining,
    cut_regions,
    fresh_clip,
    match_texts,
    name_parts,
    train_clip,
)
from pivl.synthped.pretraining.crops import close_up_boxes, crop, mirror, zoom_boxes
from pivl.synthped.pretraining.starts import RESNET, STARTS
from pivl.synthped.pretraining.zero_shot import (
    BARE_TEXTS,
    encode_texts,
    kept_parts,
    part_accuracy,
    retrieval,
    text_spread,
)
from pivl.system.files import sha256_of
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.weights import load_clip

FEW = replace(PRETRAINING, name="synthped-few", size=(64, 32), people=16, shots=2, cameras=4, passers_by=4)
SHORT = Pretraining(steps=4, precision="fp32", regions_from=0.5, mix=BatchMix(whole=8, crops=6))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sixteen small people, twice each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return describe(pretraining_people(FEW), seed=0)


def checkered(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pictures and maps whose part 9 is one block, elsewhere background."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (count, 3, 32, 16), generator=generator, dtype=torch.uint8)
    part_map = torch.zeros(count, 32, 16, dtype=torch.uint8)
    part_map[:, 20:26, 4:7] = 9
    return image, part_map


def test_the_box_of_a_whole_picture_crops_nothing_away() -> None:
    image, part_map = checkered()
    same, same_map = crop(image, part_map, torch.tensor([[0.0, 0.0, 32.0, 16.0]] * 3))
    torch.testing.assert_close(same, image.float(), atol=1e-3, rtol=0)
    assert torch.equal(same_map, part_map)


def test_pixels_outside_of_a_picture_have_no_label() -> None:
    image, part_map = checkered()
    _, moved = crop(image, part_map, torch.tensor([[-8.0, 0.0, 32.0, 16.0]] * 3))
    assert (moved[:, :8] == IGNORE).all()
    assert torch.equal(moved[:, 8:], part_map[:, :-8])


@pytest.mark.parametrize("seed", range(5))
def test_boxes_lie_inside_the_picture_and_a_close_up_shows_its_part(seed: int) -> None:
    image, part_map = checkered()
    generator = torch.Generator().manual_seed(seed)
    close = close_up_boxes(part_map, torch.full((3,), 9), generator)
    for box in (close, zoom_boxes(part_map, generator)):
        assert (box[:, :2] >= 0).all()
        assert (box[:, 0] + box[:, 2] <= 32 + 1e-4).all()
        assert (box[:, 1] + box[:, 3] <= 16 + 1e-4).all()
        torch.testing.assert_close(box[:, 2], 2 * box[:, 3])
    _, shown = crop(image, part_map, close)
    assert ((shown == 9).flatten(1).float().mean(1) > 18 / 512).all()  # larger than in the whole picture


def test_a_mirrored_person_swaps_left_and_right() -> None:
    image, part_map = checkered(2)
    part_map[part_map == 9] = LIP.parts.index("left shoe")
    table = torch.from_numpy(LIP.mirror_table())
    flipped, flipped_map = mirror(image, part_map, torch.tensor([True, False]), table)
    assert torch.equal(flipped[0], image[0].flip(2))
    assert torch.equal(flipped[1], image[1])
    assert (flipped_map[0, 20:26, 9:12] == LIP.parts.index("right shoe")).all()
    assert torch.equal(flipped_map[1], part_map[1])


def test_matching_is_clips_loss_where_texts_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    images = functional.normalize(torch.randn(5, 8, generator=generator), dim=1)
    features = functional.normalize(torch.randn(5, 8, generator=generator), dim=1)
    scores, own = 7.0 * images @ features.T, torch.arange(5)
    expected = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
    measured = match_texts(images, lambda texts: features, tuple("abcde"), torch.tensor(7.0))
    torch.testing.assert_close(measured, expected)


def test_equal_texts_are_one_text_with_several_images() -> None:
    """By hand: two images, one text. Each image has one candidate (loss 0); the text has both images, each at log 2."""
    images = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = match_texts(images, lambda texts: torch.eye(2)[: len(texts)], ("same", "same"), torch.tensor(3.0))
    torch.testing.assert_close(loss, torch.log(torch.tensor(2.0)) / 2)


def test_a_region_is_the_mean_of_its_unit_tokens_weighed_by_cover() -> None:
    tokens = torch.tensor([[[[3.0, 0.0]], [[0.0, 5.0]]]])  # one picture, two cells: (3, 0) and (0, 5)
    part_map = torch.tensor([[[9, 9, 9, 0], [9, 9, 0, 0]]], dtype=torch.uint8)
    regions = cut_regions(tokens, part_map)
    torch.testing.assert_close(regions.mean[0, 9], functional.normalize(torch.tensor([1.0, 0.25]), dim=0))
    torch.testing.assert_close(regions.mean[0, 0], torch.tensor([0.0, 1.0]))
    assert regions.cover[0].sum(1).nonzero().flatten().tolist() == [0, 9]


def test_naming_parts_by_hand() -> None:
    """Two cells, one all background and one all hat, each on its own text.

    Each of two regions and two cells has the same loss, log(1 + 19 e^-3), so their mean is that.
    """
    texts = torch.eye(20)
    tokens = texts[:2].T.reshape(1, 20, 1, 2)
    regions = cut_regions(tokens, torch.tensor([[[0, 1]]], dtype=torch.uint8))
    expected = torch.log1p(19 * torch.exp(torch.tensor(-3.0)))
    torch.testing.assert_close(name_parts(regions, texts, torch.tensor(3.0)), expected)


def test_ranks_by_hand() -> None:
    candidates = torch.eye(6)
    queries = torch.eye(6)
    queries[0] = torch.tensor([0.1, 1, 0, 0, 0, 0])  # second
    queries[1] = torch.tensor([1.0, 0, 1, 1, 1, 1])  # last
    queries[2] = 0  # a tie with all is no hit
    measured = retrieval(queries, candidates)
    assert (measured.at_1, measured.at_5) == (pytest.approx(3 / 6), pytest.approx(4 / 6))


def test_part_accuracy_by_hand() -> None:
    texts = functional.one_hot(torch.tensor([0, 1, 2])).float()
    label = torch.tensor([[[0, 1, 1, 2, IGNORE]]])
    dense = texts[torch.tensor([[[0, 1, 0, 1, 2]]])].permute(0, 3, 1, 2)
    whole = part_accuracy(dense, texts, label, background=True)
    assert (whole.accuracy, whole.majority) == (pytest.approx(2 / 4), pytest.approx(2 / 4))
    alone = part_accuracy(dense + 0.5 * texts[1][:, None, None], texts, label, background=False)
    assert (alone.accuracy, alone.majority) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_spread_and_kept_parts_by_hand() -> None:
    spread = text_spread(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), ("a", "b", "c"))
    assert (spread.mean, spread.highest) == (pytest.approx(1.4 / 3), pytest.approx(0.8))
    assert spread.closest == ("b", "c")
    part_map = torch.zeros(2, 4, 4, dtype=torch.uint8)
    part_map[:, 0, 0] = 1  # a sixteenth of the picture, a quarter of its cell
    part_map[1, 2:, 2:] = 2
    assert kept_parts(part_map, (2, 2), LIP, "majority") == {"hat": 0.0, "hair": 1.0}
    assert kept_parts(part_map, (2, 2), LIP, "foreground") == {"hat": 1.0, "hair": 1.0}


def test_a_lesson_names_only_what_can_be_seen(few: Corpus) -> None:
    lesson = draw_batch(few, BatchPlan(3, BatchMix(whole=8, crops=10, regions=3)), seed=1)
    assert len(lesson) == 18 == len(lesson.texts)
    assert len(lesson.region) == len(lesson.region_texts) > 0
    for (picture, part), text in zip(lesson.region.tolist(), lesson.region_texts, strict=True):
        assert (lesson.part_map[picture] == part).sum() >= LEAST_PIXELS
        assert text.endswith(f"{LIP.parts[part]}.") or "logo" in text
    again = draw_batch(few, BatchPlan(3, BatchMix(whole=8, crops=10, regions=3)), seed=1)
    assert torch.equal(lesson.image, again.image)
    assert lesson.texts == again.texts
    assert not torch.equal(
        lesson.image, draw_batch(few, BatchPlan(4, BatchMix(whole=8, crops=10)), seed=1).image
    )


def test_look_alikes_share_a_lesson(few: Corpus) -> None:
    """Eight of sixteen people, whole families: the captions are those of four neighbouring pairs."""
    lesson = draw_batch(few, BatchPlan(0, BatchMix(whole=8, crops=2, mirrored=0.0)), seed=0)
    owners = [{who for who, known in enumerate(few.captions) if text in known} for text in lesson.texts[:8]]
    assert all(
        any({2 * pair, 2 * pair + 1} <= one | other for pair in range(8))
        for one, other in zip(owners[::2], owners[1::2], strict=True)
    )


def test_training_repeats_to_the_bit_and_moves_every_weight(few: Corpus) -> None:
    seen = []
    first = train_clip(few, RESNET, SHORT, 0, lambda _, step: seen.append(step))
    second = train_clip(few, RESNET, SHORT, 0, lambda _, step: None)
    other = train_clip(few, RESNET, SHORT, 1, lambda _, step: None)
    assert len(seen) == 4
    assert seen[0].terms.keys() == {"whole", "crops"}
    assert seen[-1].terms.keys() == {"whole", "crops", "regions", "parts"}
    begun = fresh_clip(RESNET, FEW.size, 0)
    for tower in ("vision", "text"):
        before = dict(getattr(begun, tower).named_parameters())
        for name, parameter in getattr(first, tower).named_parameters():
            # A bias of keys shifts all scores of a query alike, so nothing can move it.
            assert name.endswith("k_proj.bias") or not torch.equal(parameter, before[name]), name
        states = [getattr(clip, tower).state_dict() for clip in (first, second, other)]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])
    assert first.logit_scale == second.logit_scale
    assert not first.vision.training


@pytest.mark.parametrize("start", STARTS)
def test_a_clip_is_written_with_the_figures_of_its_card(
    start: str, few: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tiny_clip, "HELD_OUT", replace(FEW, name="synthped-few-others", shots=1))
    weights, card = tmp_path / "clip.safetensors", tmp_path / "CARD.md"
    made = tiny_clip.pretrain(STARTS[start], weights, 0, SHORT, FEW)
    write_card(card, weights, made, Origin("0123abc", "a machine"))
    assert f"sha256 `{sha256_of(weights)}`" in card.read_text(encoding="utf-8")
    assert read_state(weights)[1]["extra"]["criteria"]["parts"] == asdict(made.evaluation.parts)
    assert tiny_clip.evaluate_on_held_out(load_clip(weights)).parts.majority == made.evaluation.parts.majority


@pytest.mark.parametrize("start", STARTS)
def test_the_shipped_file_is_the_one_of_the_card_and_knows_the_prompts(start: str) -> None:
    weights = CLIP_WEIGHTS[start]
    assert weights.stat().st_size <= 5_000_000
    card = weights.with_name(f"{weights.stem.upper()}.md").read_text(encoding="utf-8")
    found = re.search(r"sha256 `([0-9a-f]{64})`", card)
    assert found is not None
    assert found[1] == sha256_of(weights)
    clip = load_clip(weights)
    assert clip.vision.architecture == STARTS[start].vision
    assert clip.vision.image_size == PRETRAINING.size
    assert clip.text.architecture.context <= 48
    texts = Prompts(clip.text, clip.vocabulary, LIP).part_labels()
    torch.testing.assert_close(
        functional.normalize(texts, dim=1), encode_texts(clip, BARE_TEXTS), atol=1e-5, rtol=0
    )


@pytest.mark.slow  # renders 500 pictures and encodes them
@pytest.mark.parametrize("start", STARTS)
def test_the_shipped_file_meets_the_criteria(start: str) -> None:
    measured = tiny_clip.evaluate_on_held_out(load_clip(CLIP_WEIGHTS[start]))
    assert measured.image_to_text.at_1 >= 0.27
    assert measured.text_to_image.at_1 >= 0.27
    assert (measured.parts.accuracy > measured.parts.majority) == STARTS[start].taught_parts
    written = read_state(CLIP_WEIGHTS[start])[1]["extra"]["criteria"]
    assert measured.image_to_text.at_1 == pytest.approx(written["image_to_text"]["at_1"], abs=0.02)  # float16
    assert measured.parts.accuracy == pytest.approx(written["parts"]["accuracy"], abs=0.01)


@pytest.mark.slow  # three minutes of training on one core
def test_a_shortened_training_sees_retrieval_rise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance is R@5 1 % among 500; eight times that is far more than luck (p < 1e-9, binomial)."""
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "cache"))
    taught = replace(PRETRAINING, name="synthped-shortened", people=2000, shots=3)
    choices = Pretraining(steps=500, precision=tiny_clip.quick_precision(), mix=BatchMix(whole=64, crops=32))
    made = tiny_clip.pretrain(STARTS["tiny"], tmp_path / "clip.safetensors", 0, choices, taught)
    assert made.evaluation.image_to_text.at_5 > 0.08
    assert made.evaluation.text_to_image.at_5 > 0.08
    assert made.losses[-1]["whole"] < made.losses[0]["whole"]
