"""A csv data set whose pictures keep their size whatever they show, and questions about it."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from tests.support.small_datasets import CSV_ROWS, write_map, write_meta

QUIET = Progress.on_stderr(quiet=True)
BMP_ROWS = [row.replace(".jpg", ".bmp") for row in CSV_ROWS]


def write_people(folder: Path) -> Path:
    """A csv of BMP pictures, whose sizes are all equal, with part maps beside it; the csv."""
    for number, row in enumerate(BMP_ROWS):
        draw_picture(folder / row.split(",")[0], number)
        write_map(folder / "maps" / f"{Path(row.split(',')[0]).stem}.png")
    write_meta(folder / "maps")
    (folder / "people.csv").write_text("\n".join(["path,person,camera,split", *BMP_ROWS]) + "\n")
    return folder / "people.csv"


def draw_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 16, 3), np.uint8)).save(path)


def ask_about(csv: Path, maps: bool = True) -> Experiment:
    return resolve(
        Request(
            "ablation", "smoke", rows="clip-reid,pi-vl", seeds="0", dataset=str(csv), backbone="tiny",
            part_maps=csv.parent / "maps" if maps else None, precision="fp32",
            overrides=("people_per_batch=2", "prompt_batch=8"),
        )
    )  # fmt: skip


def replace_picture(csv: Path) -> None:
    draw_picture(csv.parent / "a" / "1.bmp", 99)


def replace_keeping_the_date(csv: Path) -> None:
    """As mv and cp -p do: only the date of the inode tells."""
    replace_picture(csv)
    os.utime(csv.parent / "a" / "1.bmp", (0, 0))


def replace_map(csv: Path) -> None:
    write_map(csv.parent / "maps" / "2.png", label=7)
