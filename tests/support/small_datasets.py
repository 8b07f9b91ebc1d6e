"""Data sets of a few pictures, in the layouts in which the public ones come or rendered, and how tests load them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pivl.data.cache.digests import Report
from pivl.data.datasets import catalog
from pivl.data.datasets.csv_file import list_csv
from pivl.data.listing import Listing
from pivl.data.pictures import Split
from pivl.errors import UserError
from pivl.synthped.benchmark import SYNTHPED_MINI

SIZE = (32, 16)  # height, width of the pictures on disk
TRAINING_SIZE = (48, 20)  # to which they are decoded, so that both sides change
FEW_SIZE = (64, 32)  # of the rendered pictures of FEW_PEOPLE
FEW_PEOPLE = replace(
    SYNTHPED_MINI,
    name="few",
    size=FEW_SIZE,
    training_people=4,
    training_shots=4,
    test_people=4,
    cameras=3,
    passers_by=6,
)


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    """A smooth colour picture that `seed` decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = np.random.default_rng(seed).integers(0, 256, (3, 2, 3), np.uint8)
    Image.fromarray(corners).resize(size[::-1], Image.Resampling.BILINEAR).save(path, quality=95)


def write_map(path: Path, label: int = 5, size: tuple[int, int] = SIZE, palette: bool = False) -> None:
    """A part map whose lower half shows `label`, grey or with a palette as SCHP's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size, np.uint8)
    pixels[size[0] // 2 :] = label
    picture = Image.fromarray(pixels)
    if palette:
        picture.putpalette([value for color in range(256) for value in (color, 255 - color, 0)])
    picture.save(path)


def write_market_maps(root: Path, maps: Path, where: str = ".", palette: bool = False) -> None:
    """A map for every training picture of write_market, each of a class of its own, at `where`/<stem>.png."""
    write_meta(maps)
    for label, path in enumerate(sorted((root / "bounding_box_train").glob("0*.jpg")), 5):
        write_map(maps / where / f"{path.stem}.png", label, palette=palette)


def write_meta(folder: Path, label_set: str = "lip") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps({"label_set": label_set}))


def write_market(folder: Path) -> None:
    """People 2 and 7 to train on, 3 and 1500 to look for, a distractor, two junk pictures, and what Windows leaves."""
    names = [
        "bounding_box_train/0007_c1s1_000001_01.jpg", "bounding_box_train/0007_c6s2_000002_01.jpg",
        "bounding_box_train/0002_c1s1_000003_01.jpg", "bounding_box_train/0002_c3s1_000004_02.jpg",
        "query/0003_c1s1_000005_00.jpg", "query/1500_c2s1_000006_00.jpg",
        "bounding_box_test/0003_c2s1_000007_01.jpg", "bounding_box_test/1500_c4s1_000008_01.jpg",
        "bounding_box_test/0000_c5s1_000009_01.jpg", "bounding_box_test/-1_c5s1_000010_01.jpg",
        "bounding_box_test/-1_c2s1_000011_02.jpg",
    ]  # fmt: skip
    for seed, name in enumerate(names):
        write_picture(folder / name, seed)
    for place in ("bounding_box_train", "query", "bounding_box_test"):
        (folder / place / "Thumbs.db").write_bytes(b"not an image")
    (folder / "bounding_box_train" / "._0007_c1s1_000001_01.jpg").write_bytes(b"what macOS leaves")


def write_duke(folder: Path) -> None:
    """As write_market, in the names of DukeMTMC-reID and Occluded-Duke; person 9 is in the gallery only."""
    for seed, name in enumerate(
        [
            "bounding_box_train/0005_c2_f0000010.jpg", "bounding_box_train/0001_c8_f0000020.jpg",
            "query/0004_c1_f0000030.jpg", "query/0006_c3_f0000040.jpg",
            "bounding_box_test/0004_c2_f0000050.jpg", "bounding_box_test/0006_c1_f0000060.jpg",
            "bounding_box_test/0009_c1_f0000070.jpg",
        ]
    ):  # fmt: skip
        write_picture(folder / name, seed)


MSMT17_LISTS = {
    "list_train.txt": ["0000/0000_000_01_0303morning_0015_0.jpg 0", "0001/0001_000_14_0303noon_0020_1.jpg 1"],
    "list_val.txt": ["0001/0001_002_15_0303noon_0021_0.jpg 1"],
    "list_query.txt": ["0000/0000_003_04_0303morning_0030_0.jpg 0", "0001/0001_004_04_0303noon_0031_0.jpg 1"],
    "list_gallery.txt": [
        "0000/0000_005_05_0303morning_0040_0.jpg 0",
        "0001/0001_006_09_0303noon_0041_2.jpg 1",
    ],
}


def write_msmt17(folder: Path) -> None:
    """Two training people, and two test people whose numbers start at 0 again."""
    seed = 0
    for name, lines in MSMT17_LISTS.items():
        place = folder / ("train" if name in ("list_train.txt", "list_val.txt") else "test")
        for line in lines:
            write_picture(place / line.split()[0], seed := seed + 1)
        (folder / name).write_text("\n".join(lines) + "\n")


def write_csv(folder: Path, rows: list[str], header: str = "path,person,camera,split") -> Path:
    """people.csv in `folder`, and a picture for every path of its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, row in enumerate(rows):
        write_picture(folder / row.split(",")[0], seed)
    (folder / "people.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "people.csv"


CSV_ROWS = [
    "a/1.jpg,ann,door,train", "a/2.jpg,ann,gate,train", "a/3.jpg,bob,door,train", "a/4.jpg,bob,gate,train",
    "b/5.jpg,cleo,door,query", "b/6.jpg,dan,gate,query", "b/7.jpg,cleo,gate,gallery", "b/8.jpg,dan,door,gallery",
    "b/9.jpg,distractor,door,gallery",
]  # fmt: skip


def listed(folder: Path, rows: list[str] = CSV_ROWS, header: str = "path,person,camera,split") -> Listing:
    """What write_csv wrote, listed."""
    return list_csv(write_csv(folder, rows, header))


def load_market(
    root: Path,
    maps: Path | None = None,
    report: Report | None = None,
    size: tuple[int, int] = TRAINING_SIZE,
) -> Split:
    """What write_market wrote, whose counts are not those of the whole."""
    return catalog.load("market1501", root, size, maps, True, report)


def refusal(
    name: str | Path,
    root: Path | None,
    maps: Path | None = None,
    allow_partial: bool = False,
    size: tuple[int, int] = SIZE,
) -> str:
    """The one line that is said of a data set that cannot be loaded."""
    with pytest.raises(UserError) as caught:
        catalog.load(str(name), root, size, maps, allow_partial)
    assert "\n" not in str(caught.value)
    return str(caught.value)
