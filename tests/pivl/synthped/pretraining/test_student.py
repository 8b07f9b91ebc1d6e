"""The embedded benchmark's student: what it is taught, that its training repeats, and what the shipped file knows."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.part_maps.labels import LIP
from pivl.synthped.benchmark import (
    PRETRAINING,
    SYNTHPED,
    PretrainingSet,
    draw_benchmark_people,
    draw_pretraining_people,
    pretraining_people,
)
from pivl.synthped.names import STUDENT, STUDENT_WEIGHTS
from pivl.synthped.person.palette import COLORS
from pivl.synthped.person.wardrobe import ITEM
from pivl.synthped.pretraining import student
from pivl.synthped.pretraining.attributes import (
    UNKNOWN,
    Attributes,
    Places,
    describe_pictures,
    describe_places,
)
from pivl.synthped.pretraining.card import Origin
from pivl.synthped.pretraining.student_card import CARD, write_card
from pivl.synthped.pretraining.tiny_clip import HELD_OUT as CLIP_HELD_OUT
from pivl.synthped.pretraining.tiny_clip import TRAINING_SET as CLIP_TAUGHT
from pivl.system.files import sha256_of
from pivl.system.random_streams import torch_stream
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import build_student
from pivl.towers.student_weights import read_student

FEW = replace(PRETRAINING, name="synthped-few", size=(64, 32), people=16, shots=2, cameras=4, passers_by=4)
SHORT = student.StudentPretraining(steps=4, batch=8)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> PretrainingSet:
    """Sixteen small people, twice each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return pretraining_people(FEW)


def test_attributes_are_what_a_picture_shows_of_its_person(few: PretrainingSet) -> None:
    """Read off person and part map one picture at a time: a hat is named where its pixels are there."""
    attributes = describe_pictures(few.people, few.pictures)
    assert few.pictures.part_map is not None
    column = {name: attributes.target[:, place] for place, name in enumerate(attributes.names)}
    for picture, who in enumerate(few.pictures.person.tolist()):
        pixels = int((few.pictures.part_map[picture] == LIP.parts.index("hat")).sum())
        kind, color = (int(getattr(few.people, name)[who, ITEM["hat"]]) for name in ("kind", "color"))
        told = kind == 0 or pixels >= 12
        assert column["hat: kind"][picture] == (kind if told else UNKNOWN)
        assert column["hat: color"][picture] == (color if kind and told else UNKNOWN)
        assert column["skin"][picture] == few.people.skin[who]
        assert column["bag: kind"][picture] == few.people.kind[who, ITEM["bag"]]
        plain = few.people.pattern[who, ITEM["upper"]] == 0
        assert not plain or column["upper: second color"][picture] == UNKNOWN
    assert all(
        int(target.max()) < count
        for target, count in zip(attributes.target.T, attributes.classes, strict=True)
    )


def test_the_loss_is_the_mean_over_all_that_is_told() -> None:
    """Two attributes of 2 and 3 classes, three pictures, one target unknown: the written-out mean of five terms."""
    target = torch.tensor([[0, 2], [1, UNKNOWN], [1, 0]])
    attributes = Attributes(("a", "b"), (2, 3), target)
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    terms = [functional.cross_entropy(logits[i, :2], target[i, 0]) for i in range(3)]
    terms += [functional.cross_entropy(logits[i, 2:], target[i, 1]) for i in (0, 2)]
    torch.testing.assert_close(attributes.loss(logits, torch.arange(3)), torch.stack(terms).mean())
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(attributes.loss(logits[order], order), torch.stack(terms).mean())
    sure = functional.one_hot(torch.tensor([0, 1, 1]), 2), functional.one_hot(torch.tensor([2, 1, 1]), 3)
    assert attributes.accuracy(torch.cat(sure, dim=1).float()) == {"a": 1.0, "b": 0.5}
    assert attributes.chance() == {"a": pytest.approx(2 / 3), "b": 0.5}


def test_a_place_shows_the_color_and_the_kind_of_what_is_worn_there(few: PretrainingSet) -> None:
    people, places = few.people, describe_places(few.people)
    hat, left, right, face = (LIP.parts.index(part) for part in ("hat", "left shoe", "right shoe", "face"))
    assert torch.equal(places.color[:, left], places.color[:, right])
    assert int(places.kind.max()) < Places.KINDS
    assert int(places.color.max()) < Places.COLORS
    assert (places.color[:, [0, 255]] == UNKNOWN).all()
    assert (places.kind[:, 255] == UNKNOWN).all()
    for who in range(len(people)):
        kind, color = (int(getattr(people, name)[who, ITEM["hat"]]) for name in ("kind", "color"))
        assert places.color[who, hat] == (color if kind else UNKNOWN)
        assert (places.kind[who, hat] == UNKNOWN) == (kind == 0)
        assert places.color[who, face] == len(COLORS) + people.skin[who]
    names = [places.kind[:, part][places.kind[:, part] != UNKNOWN].unique() for part in (0, hat, left, face)]
    assert len(torch.cat(names).unique()) == sum(map(len, names))  # no kind of one is a kind of another


def test_the_loss_of_places_asks_the_middle_of_each_cell(few: PretrainingSet) -> None:
    """Two pictures of 8 x 4 pixels on a grid of 2 x 2: the written-out means over what is told."""
    places = describe_places(few.people)
    part_map = torch.full((2, 8, 4), 255, dtype=torch.uint8)
    person, cells = torch.tensor([3, 5]), {(0, 0, 0): "face", (0, 1, 1): "hair", (1, 0, 1): "upper clothes"}
    for (picture, row, column), part in cells.items():
        part_map[picture, 4 * row + 2, 2 * column + 1] = LIP.parts.index(part)
    logits = torch.randn(2, Places.CLASSES, 2, 2, generator=torch.Generator().manual_seed(0))
    told: dict[str, list[Tensor]] = {"color": [], "kind": []}
    for (picture, row, column), part in cells.items():
        scores = logits[picture, :, row, column].split((Places.COLORS, Places.KINDS))
        for one, (name, table) in zip(scores, (("color", places.color), ("kind", places.kind)), strict=True):
            target = table[person[picture], LIP.parts.index(part)]
            if target != UNKNOWN:
                told[name].append(functional.cross_entropy(one, target))
    expected = sum(torch.stack(losses).mean() for losses in told.values())
    torch.testing.assert_close(places.loss(logits, part_map, person), expected)


def test_a_fresh_namer_names_what_is_commonest() -> None:
    target = torch.tensor([[0, 2], [0, UNKNOWN], [1, 2], [0, 2]])
    shares = Attributes(("a", "b"), (2, 3), target).log_shares().exp()
    torch.testing.assert_close(shares, torch.tensor([0.75, 0.25, 0.125, 0.125, 0.75]))


def test_training_repeats_to_the_bit_and_moves_every_weight(few: PretrainingSet) -> None:
    attributes, seen = describe_pictures(few.people, few.pictures), []
    first, second, other = (
        student.train_attribute_classifier(few, SHORT, seed, seen.append) for seed in (0, 0, 1)
    )
    assert len(seen) == 12
    classes = sum(attributes.classes)
    begun = build_student(SHORT.student, FEW.size, classes, torch_stream(0, "student")).state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
        assert not torch.equal(value, begun[name]), name
    assert not torch.equal(first.project[1].weight, other.project[1].weight)
    assert not first.training


def test_a_student_is_written_with_the_figures_of_its_card(
    few: PretrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(student, "HELD_OUT", replace(FEW, name="synthped-few-others", shots=1))
    weights, card = tmp_path / "student.safetensors", tmp_path / "CARD.md"
    made = student.pretrain_student(weights, 0, SHORT, FEW)
    write_card(card, weights, made, Origin("0123abc", "a machine"))
    assert f"sha256 `{sha256_of(weights)}`" in card.read_text(encoding="utf-8")
    assert read_state(weights)[1]["extra"]["accuracy"]["skin"] == made.accuracy["skin"]
    assert made.images == 32


def test_nobody_it_is_taught_is_in_another_set() -> None:
    """Families carry texture seeds of 62 bits, drawn with them."""
    sets = [*draw_benchmark_people(SYNTHPED)]
    configs = (student.TRAINING_SET, student.HELD_OUT, CLIP_TAUGHT, CLIP_HELD_OUT)
    sets += [draw_pretraining_people(config) for config in configs]
    seeds = [set(people.texture_seed.tolist()) for people in sets]
    assert len(set.union(*seeds)) == sum(len(one) for one in seeds)
    assert len(np.unique(sets[2].texture_seed)) == student.TRAINING_SET.people // student.TRAINING_SET.family


def test_the_shipped_file_is_the_one_of_the_card_and_small() -> None:
    assert STUDENT_WEIGHTS.stat().st_size <= 1_000_000
    found = re.search(r"sha256 `([0-9a-f]{64})`", CARD.read_text(encoding="utf-8"))
    assert found is not None
    assert found[1] == sha256_of(STUDENT_WEIGHTS)
    tower = build_student(STUDENT, (128, 64), 8, torch_stream(0, "test"))
    tower.net.load_state_dict(read_student(STUDENT_WEIGHTS, tower, STUDENT), strict=False)
