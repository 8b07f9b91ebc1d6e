"""A data set read from disk trains and scores, bit for bit, what the same pictures do that never were on disk."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from pivl.data.datasets import catalog
from pivl.data.normalization import IMAGENET
from pivl.data.pictures import Pictures, Split
from pivl.evaluation.retrieval import score
from tests.support.small_datasets import write_meta
from tests.support.tiny_models import PI_VL, SIZE, tiny_split, tiny_trainer, train


def write_set(pictures: Pictures, folder: Path, first: int, maps: Path | None = None) -> None:
    """The pictures without loss, named as Market-1501 names people from `first` on; their maps as SCHP does."""
    for place in filter(None, (folder, maps)):
        place.mkdir(parents=True)
    for number, (person, camera) in enumerate(zip(pictures.person, pictures.camera, strict=True)):
        stem = f"{first + int(person):04d}_c{int(camera) + 1}s1_{number:06d}_00"
        Image.fromarray(pictures.image[number].permute(1, 2, 0).contiguous().numpy()).save(
            folder / f"{stem}.png"
        )
        if maps:
            Image.fromarray(pictures.part_map[number].numpy()).save(maps / f"{stem}.png")


def weights_and_scores(split: Split) -> tuple[torch.Tensor, list[float]]:
    """Weights after all three stages, flat, and the average precision of every query."""
    trained = train(tiny_trainer(PI_VL, split=split))
    weights = torch.cat([value.flatten().double() for value in trained.model.state_dict().values()])
    retrieval = score(trained.model.eval().embed, split, IMAGENET, 16, torch.device("cpu"))
    return weights, retrieval.average_precision.tolist()


@pytest.mark.usefixtures("cache")
def test_training_from_disk_equals_training_from_memory(tmp_path):
    memory = tiny_split()
    write_set(memory.train, tmp_path / "bounding_box_train", 1, tmp_path / "maps" / "train")
    write_set(memory.query, tmp_path / "query", 101)
    write_set(memory.gallery, tmp_path / "bounding_box_test", 101)
    write_meta(tmp_path / "maps")
    disk = catalog.load("market1501", tmp_path, SIZE, tmp_path / "maps", allow_partial=True)
    assert torch.equal(disk.train.image, memory.train.image)
    assert torch.equal(disk.train.part_map, memory.train.part_map)
    weights, precision = weights_and_scores(disk)
    expected_weights, expected_precision = weights_and_scores(memory)
    assert torch.equal(weights, expected_weights)
    assert precision == expected_precision
