"""The parser's confidence: read beside the maps, moved with the picture, a weight of each pixel (version 2, Eq. 8)."""

import io
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.datasets import catalog
from pivl.data.normalization import IMAGENET
from pivl.data.part_maps.confidence import beside, cell_confidence, read_confidence
from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.data.store import Store
from pivl.errors import UserError
from pivl.losses import alignment, cell_weights
from pivl.system.random_streams import torch_stream
from tests.support.mutations import COUNTS, check_reader
from tests.support.small_datasets import CSV_ROWS, SIZE, write_csv, write_map, write_meta
from tests.support.tiny_models import PI_VL, tiny_split, tiny_trainer


@pytest.fixture
def confident(tmp_path, monkeypatch):
    """A csv data set whose maps have confidence 0 above and 0.8 below; its folder."""
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "cache"))
    write_csv(tmp_path, CSV_ROWS)
    write_meta(tmp_path / "maps")
    values = np.zeros(SIZE, np.float16)
    values[SIZE[0] // 2 :] = 0.8
    for name in (row.split(",")[0] for row in CSV_ROWS if "train" in row):
        path = (tmp_path / "maps" / name).with_suffix(".png")
        write_map(path)
        np.savez(beside(path), values)
    return tmp_path


def load(folder, confidence=True):
    return catalog.load(str(folder / "people.csv"), None, SIZE, folder / "maps", confidence=confidence)


def test_confidence_is_loaded_where_it_is_asked_for_and_has_a_digest_of_its_own(confident):
    split, without = load(confident), load(confident, False)
    assert split.train.confidence.dtype == torch.uint8
    assert split.train.confidence.unique().tolist() == [0, 204]  # 0.8 * 255
    assert split.train.confidence[:, SIZE[0] // 2 :].min() == 204
    assert split.query.confidence is None
    assert without.train.confidence is None
    assert torch.equal(split.train.part_map, without.train.part_map)
    assert split.fingerprint == without.fingerprint
    assert split.maps != without.maps


def as_npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(SIZE, np.float16))


def damage_header(path):
    """A header that opens a bracket and never closes it, in a .npz that is otherwise whole: numpy raises TokenError."""
    content = io.BytesIO()
    np.save(content, np.zeros(SIZE, np.float16))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("confidence.npy", content.getvalue().replace(b"), }", b"(, }"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "no confidence .*a/1.npz beside its part map; have the parser write it"),
        (lambda path: path.write_bytes(b"<html>"), "a/1.npz: not one readable array"),
        (
            lambda path: np.savez(path, np.ones((4, 4))),
            r"a/1.npz: float64 \(4, 4\), not fractions of its map",
        ),
        (lambda path: np.savez(path, np.ones(SIZE, int)), "a/1.npz: int64"),
        (lambda path: np.savez(path, np.full(SIZE, 1.5)), "not all values lie from 0 to 1"),
        (lambda path: np.savez(path, np.full(SIZE, np.nan)), "not all values lie from 0 to 1"),
        (lambda path: np.savez(path, np.ones(SIZE), np.ones(SIZE)), "not one readable array .* but 2"),
        (lambda path: np.savez(path), "not one readable array .* but 0"),
        (lambda path: np.savez(path, np.zeros((4000, 4000))), "not one readable array .*more than the 0 MB"),
        (lambda path: as_npy(path), "a/1.npz: not one readable array"),  # cases/fuzz/3-maps-4
        (lambda path: damage_header(path), "a/1.npz: not one readable array"),  # cases/fuzz/3-maps-6
        (lambda path: (path.unlink(), os.mkfifo(path)), "a/1.npz: not one readable array .*ordinary file"),
    ],
)
def test_broken_confidence_is_one_line_that_names_the_file(confident, harm, said):
    harm(confident / "maps" / "a" / "1.npz")
    with pytest.raises(UserError, match=said) as refused:
        load(confident)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@COUNTS
def test_damaged_confidence_is_one_line_or_fractions(confident, save, count):
    path = confident / "maps" / "a" / "1.npz"
    save(path, confidence=np.random.default_rng(0).random(SIZE).astype(np.float16))

    def read(path):
        values = read_confidence(path.with_suffix(".png"))
        assert values.shape == SIZE
        assert 0 <= values.min() <= values.max() <= 1

    check_reader(path, path.read_bytes(), read, count)


def test_confidence_takes_the_way_of_the_map():
    """Where the map says which column a pixel came from, the confidence that is its double still is; elsewhere 0."""
    pictures = tiny_split().train
    columns = torch.arange(pictures.image.shape[3], dtype=torch.uint8).expand_as(pictures.part_map) + 1
    store = Store.hold(replace(pictures, part_map=columns, confidence=2 * columns), "cpu")
    same = torch.arange(256, dtype=torch.uint8)  # no left and right
    moved = augment(
        store.gather(torch.arange(len(store))), Augmentation(padding=3, erase_probability=1), IMAGENET, same,
        draw_rows(len(store), torch_stream(0, "test")),
    )  # fmt: skip
    ignored = moved.part_map == IGNORE
    assert ignored.any()
    assert torch.equal(moved.confidence, torch.where(ignored, 0, 2 * moved.part_map))


def test_alignment_weighs_the_pixels_of_a_picture_by_a_softmax_of_their_confidence():
    generator = torch.Generator().manual_seed(0)
    pixels, texts = torch.randn(3, 5, 2, 2, generator=generator), torch.randn(3, 4, 5, generator=generator)
    nothing = [IGNORE, IGNORE]
    labels = torch.tensor([[[0, 1], [2, IGNORE]], [[3, IGNORE], nothing], [nothing, nothing]])
    confidence = torch.rand(3, 2, 2, generator=generator)
    pictures = []
    for picture in range(2):  # the third has no pixel that counts
        places = [
            (row, column) for row in (0, 1) for column in (0, 1) if labels[picture, row, column] != IGNORE
        ]
        total = sum(float(confidence[picture, *place].exp()) for place in places)
        loss = 0.0
        for row, column in places:
            text = texts[picture, labels[picture, row, column]]
            distance = 2 - 2 * float(
                functional.cosine_similarity(pixels[picture, :, row, column], text, dim=0)
            )
            loss += float(confidence[picture, row, column].exp()) / total * distance
        pictures.append(loss)
    weights = cell_weights(labels, confidence)
    pixels.requires_grad_()
    loss = alignment(pixels, texts, labels, weights)
    assert float(loss.detach()) == pytest.approx(sum(pictures) / 2, rel=1e-5)
    loss.backward()
    assert pixels.grad.isfinite().all()
    assert float(alignment(pixels[2:].detach(), texts[2:], labels[2:], weights[2:])) == 0.0


def test_a_cell_has_the_mean_of_its_pixels():
    confidence = torch.tensor([[[0, 255], [255, 255], [51, 51], [51, 51]]], dtype=torch.uint8)
    assert cell_confidence(confidence, (2, 1)).flatten().tolist() == pytest.approx([0.75, 0.2])
    with pytest.raises(ValueError, match="the data set has none"):
        cell_confidence(None, (2, 1))


def test_equal_confidence_changes_only_how_pictures_are_averaged_and_unequal_the_weights():
    recipe, split = replace(PI_VL, align_pixels="confidence"), tiny_split()
    sure = torch.full_like(split.train.part_map, 255)
    doubtful = torch.where(split.train.part_map == 5, 255, 0).to(torch.uint8)
    losses = []
    for confidence in (sure, doubtful):
        steps = []
        held = replace(split, train=replace(split.train, confidence=confidence), labels=LIP)
        trainer = tiny_trainer(recipe, report=lambda _, step, seen=steps: seen.append(step), split=held)
        identity = trainer.tune_prompts("identity-prompts")
        trainer.align_images(trainer.texts(identity, trainer.tune_prompts("part-prompts", identity)))
        losses.append([float(step.terms["alignment"]) for step in steps if "alignment" in step.terms])
    assert losses[0]
    assert losses[0] != losses[1]
