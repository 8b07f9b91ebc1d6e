"""Scores of predicted part maps against true ones: IoU by class, mIoU, pixel accuracy, coverage (Table 4).

Counted over all pixels of all maps together, as the parsers' papers do. Pixels without a true label do not count; a
pixel that has one but was given none is wrong. The mean is over classes that the truth or the prediction holds.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pivl.data.part_maps.labels import LabelSet
from pivl.data.part_maps.reading import read_label_set, read_map
from pivl.errors import UserError
from pivl.parsers.label_mapping import common_labels, mapping

Report = Callable[[int, int], object]  # called with the maps done and the total


@dataclass(frozen=True, eq=False)
class ParsingScore:
    """Pixels by true and predicted class, int64 [C, C + 1] (the last column: no prediction), and maps compared.

    maps: true maps; found: those of them that have a prediction, which alone are counted.
    """

    labels: LabelSet
    pixels: NDArray[np.int64]
    maps: int
    found: int

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every class, [C] in [0, 1]; NaN where neither side holds the class."""
        right = self.pixels.diagonal().astype(float)
        union = self.pixels.sum(1) + self.pixels[:, :-1].sum(0) - right
        return np.divide(right, union, out=np.full(len(right), np.nan), where=union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean of the IoU over the classes that are there; NaN where no pixel is labelled."""
        there = self.iou[~np.isnan(self.iou)]
        return float(there.mean()) if len(there) else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """The share of labelled pixels whose class is right; NaN where there is none."""
        total = self.pixels.sum()
        return float(self.pixels.diagonal().sum() / total) if total else float("nan")

    @property
    def coverage(self) -> float:
        """The share of true maps that have a prediction."""
        return self.found / self.maps


def count_pixels(predicted: np.ndarray, truth: np.ndarray, classes: int) -> NDArray[np.int64]:
    """Pixels by true and predicted class, int64 [classes, classes + 1], of maps uint8 of the same shape.

    Ids from `classes` upward count as unlabelled.
    """
    labelled = truth < classes
    column = np.minimum(predicted[labelled], classes).astype(np.int64)
    index = truth[labelled].astype(np.int64) * (classes + 1) + column
    return np.bincount(index, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def score_maps(
    predicted: Path, truth: Path, labels: LabelSet | None = None, report: Report | None = None
) -> ParsingScore:
    """Score the maps below `predicted` against those of the same names below `truth`.

    The meta.json of a folder says its label set; `labels` is what is scored in, and the set of a folder without one.
    Maps that do not go into `labels` are scored in what they have in common, Pascal's if their sets differ.
    Raises UserError if a map cannot be read or is of another size than the true one, or no true map has a prediction.
    """
    sets = [_labels_of(folder, labels) for folder in (predicted, truth)]
    target = labels or common_labels(*sets)
    tables = [mapping(some, target) for some in sets]
    if any(table is None for table in tables):
        target = common_labels(*sets)
        tables = [mapping(some, target) for some in sets]
    ours, true = (table for table in tables if table is not None)
    names = sorted(list_maps(truth))
    found = [name for name in names if os.path.isfile(predicted / name)]
    if not found:
        raise UserError(
            f"{predicted}: none of the {len(names)} maps of {truth} has a file of its name here; name another folder"
        )
    classes = len(target.parts)
    pixels = np.zeros((classes, classes + 1), np.int64)
    for number, name in enumerate(found, start=1):
        true_map = read_map(truth / name, sets[1]).numpy()
        our_map = read_map(predicted / name, sets[0], (true_map.shape[0], true_map.shape[1])).numpy()
        pixels += count_pixels(ours[our_map], true[true_map], classes)
        if report:
            report(number, len(found))
    return ParsingScore(target, pixels, len(names), len(found))


def list_maps(folder: Path) -> Iterator[str]:
    """Yields the PNG files below `folder`, hidden ones left out. Raises UserError if it is no folder."""
    if not os.path.isdir(folder):
        raise UserError(f"{folder} is no folder; name one that holds part maps")
    for place, _, files in os.walk(folder):
        for name in files:
            if name[0] != "." and name.lower().endswith(".png"):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _labels_of(folder: Path, otherwise: LabelSet | None) -> LabelSet:
    if not os.path.isdir(folder):
        raise UserError(f"{folder} is no folder; name one that holds part maps")
    if otherwise is not None and not os.path.lexists(folder / "meta.json"):
        return otherwise
    return read_label_set(folder)
