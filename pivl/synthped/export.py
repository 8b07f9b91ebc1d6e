"""The embedded benchmark in Market-1501's layout, with part maps as SCHP writes them, for other people's code."""

import json
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from pivl.data.benchmarks import SETS, Counts, SetName
from pivl.data.datasets.exported import write_note
from pivl.data.part_maps.writing import palette_picture
from pivl.data.pictures import Pictures
from pivl.errors import UserError
from pivl.synthped.benchmark import SynthpedConfig, load
from pivl.synthped.picture_cache import Report

QUALITY = 95  # the pictures have been through their cameras' JPEG already


def plan_export(config: SynthpedConfig, folder: Path, people: int | None = None) -> Mapping[SetName, Counts]:
    """Returns pictures and people of each set that export_market will write into `folder`; training pictures have maps.

    Raises UserError if the folder holds something, or if there are not as many training and test people.
    """
    _check_empty(folder)
    most = min(config.training_people, config.test_people)
    if people is not None and not 2 <= people <= most:
        raise UserError(
            f"--people {people}: of {config.name}, 2 to {most} training identities and as many test identities can be "
            "written; leave it out for all"
        )
    training, test = people or config.training_people, people or config.test_people
    tested = Counts(test * config.cameras, test)
    return {"train": Counts(training * config.training_shots, training), "query": tested, "gallery": tested}


def export_market(
    config: SynthpedConfig,
    size: tuple[int, int],
    folder: Path,
    people: int | None = None,
    count_images: Callable[[str], Report] = lambda doing: lambda done, total: None,
) -> Path:
    """Writes the benchmark at `size` (height, width) into `folder`, empty or new; returns the folder of its part maps.

    people: as in benchmark.load. count_images: from what is being done to a report of files done and their total.
    bounding_box_train, query, bounding_box_test: JPEG files named person_camera_frame. Queries are one picture per test
    person and camera, which are all test pictures; the gallery holds the same pictures, of which the market protocol
    leaves out those of the query's own person and camera: a search here scores what a search on load(config) scores.
    part_maps/lip/bounding_box_train: 8-bit palette PNG whose values are LIP's class ids, and part_maps/lip/meta.json.
    export.json: the counts, which `data check` compares the folder with.
    Raises UserError as plan_export does, and if the folder cannot be written.
    """
    counts = plan_export(config, folder, people)
    split = load(config, size, count_images("rendering"), people)
    total = sum(counts[which].images for which in SETS) + counts["train"].images
    report, number = count_images("writing"), count(1)
    maps = folder / "part_maps" / split.labels.name

    def written() -> None:
        report(next(number), total)

    try:
        _write_jpegs(split.train, folder / "bounding_box_train", written)
        _write_jpegs(split.query, folder / "query", written)
        _write_jpegs(split.gallery, folder / "bounding_box_test", written)
        _write_maps(split.train, maps / "bounding_box_train", written)
        meta = {
            "label_set": split.labels.name,
            "flip_pairs": split.labels.flip_pairs,
            "parser": "renderer",
            "benchmark": split.name,
            "fingerprint": split.fingerprint,
        }
        (maps / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
        write_note(folder, split.name, counts, maps.relative_to(folder).as_posix())
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; free space or name another folder"
        ) from error
    return maps


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the export")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty; name a new folder, so that no old image mixes with the export"
        )


def _write_jpegs(pictures: Pictures, folder: Path, written: Callable[[], None]) -> None:
    def write(number: int, path: Path) -> None:
        image = pictures.image[number].permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(image).save(path, quality=QUALITY, subsampling=0)

    _write_all(pictures, folder, ".jpg", write, written)


def _write_maps(pictures: Pictures, folder: Path, written: Callable[[], None]) -> None:
    assert pictures.part_map is not None
    part_maps: np.ndarray = pictures.part_map.numpy()

    def write(number: int, path: Path) -> None:
        palette_picture(part_maps[number]).save(path)

    _write_all(pictures, folder, ".png", write, written)


def _write_all(
    pictures: Pictures,
    folder: Path,
    suffix: str,
    write: Callable[[int, Path], None],
    written: Callable[[], None],
) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(pictures.names):
        write(number, (folder / name).with_suffix(suffix))
        written()
