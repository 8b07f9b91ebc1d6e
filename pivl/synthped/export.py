"""The embedded benchmark in Market-1501's layout, with part maps as SCHP writes them, for other people's code."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pivl.data.benchmarks import Counts, SetName
from pivl.data.datasets.exported import write_note
from pivl.data.part_maps.writing import palette_picture
from pivl.data.pictures import Pictures
from pivl.errors import UserError
from pivl.synthped.benchmark import SynthpedConfig, load
from pivl.synthped.picture_cache import Report

QUALITY = 95  # the pictures have been through their cameras' JPEG already


def export_market(
    config: SynthpedConfig, size: tuple[int, int], folder: Path, report: Report | None = None
) -> None:
    """Write the benchmark at `size` (height, width) into `folder`, which must be empty or not exist.

    bounding_box_train, query, bounding_box_test: JPEG files named person_camera_frame. Queries are one picture per test
    person and camera, which are all test pictures; the gallery holds the same pictures, of which the market protocol
    leaves out those of the query's own person and camera: a search here scores what a search on load(config) scores.
    part_maps/lip/bounding_box_train: 8-bit palette PNG whose values are LIP's class ids, and part_maps/lip/meta.json.
    export.json: the counts, which `data check` compares the folder with.
    Raises UserError if the folder holds something or cannot be written.
    """
    _check_empty(folder)
    split = load(config, size, report)
    try:
        _write_jpegs(split.train, folder / "bounding_box_train")
        _write_jpegs(split.query, folder / "query")
        _write_jpegs(split.gallery, folder / "bounding_box_test")
        _write_maps(split.train, folder / "part_maps" / split.labels.name / "bounding_box_train")
        meta = {
            "label_set": split.labels.name,
            "flip_pairs": split.labels.flip_pairs,
            "parser": "renderer",
            "benchmark": split.name,
            "fingerprint": split.fingerprint,
        }
        (folder / "part_maps" / split.labels.name / "meta.json").write_text(
            json.dumps(meta, indent=1) + "\n", encoding="utf-8"
        )
        sets: dict[SetName, Pictures] = {"train": split.train, "query": split.query, "gallery": split.gallery}
        counts = {name: Counts(len(one.names), len(one.person.unique())) for name, one in sets.items()}
        write_note(folder, split.name, counts, f"part_maps/{split.labels.name}")
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; free space or name another folder"
        ) from error


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the export")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty; name a new folder, so that no old image mixes with the export"
        )


def _write_jpegs(pictures: Pictures, folder: Path) -> None:
    def write(number: int, path: Path) -> None:
        image = pictures.image[number].permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(image).save(path, quality=QUALITY, subsampling=0)

    _write_all(pictures, folder, ".jpg", write)


def _write_maps(pictures: Pictures, folder: Path) -> None:
    assert pictures.part_map is not None
    part_maps: np.ndarray = pictures.part_map.numpy()

    def write(number: int, path: Path) -> None:
        palette_picture(part_maps[number]).save(path)

    _write_all(pictures, folder, ".png", write)


def _write_all(pictures: Pictures, folder: Path, suffix: str, write: Callable[[int, Path], None]) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(pictures.names):
        write(number, (folder / name).with_suffix(suffix))
