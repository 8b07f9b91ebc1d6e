"""Reads one part map and the label set of a folder of them, strictly."""

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pivl.data.part_maps.labels import IGNORE, LABEL_SETS, LabelSet
from pivl.data.picture_file import count_colours, read_ids
from pivl.errors import Unreadable, UserError, explain
from pivl.system.json_files import read_json

SAMPLE = 200  # maps of a folder that are asked which label set theirs is


def read_map(path: Path, labels: LabelSet | None, size: tuple[int, int] | None = None) -> Tensor:
    """Returns a part map from disk, uint8 [H, W]: an 8-bit grey or palette PNG of class ids, 255 for no label.

    Raises UserError, one line that names the file, if it is missing, unreadable, of another depth or kind
    (a coloured picture, say), not of `size` (height, width) where that is given, or holds an id that `labels` does not
    (None: any id will do).
    The size is that of its picture as pivl.data.picture_file reads it, turned by its EXIF tag: so SCHP's maps are.
    """
    if not os.path.lexists(path):
        raise UserError(f"{path}: no such part map; parse the image or correct the folder")
    try:
        pixels = read_ids(path)
    except Unreadable as error:
        raise UserError(f"{path}: not a readable PNG ({error.reason}); write the part map again") from error
    if size is not None and pixels.shape != size:
        advice = "resize the map with nearest neighbours"
        if pixels.shape == size[::-1]:
            advice = "turn the map as the image's EXIF tag turns the image, or parse the image again"
        raise UserError(
            f"{path}: the map is {pixels.shape[0]} x {pixels.shape[1]} (height x width), not "
            f"{size[0]} x {size[1]} as its image; {advice}"
        )
    if labels and (unknown := sorted({*np.unique(pixels).tolist()} - {*range(len(labels.parts)), IGNORE})):
        raise UserError(
            f"{path}: class id {unknown[0]} is not in label set {labels.name} (0 to "
            f"{len(labels.parts) - 1}, or {IGNORE}); name the label set the map was made with"
        )
    return torch.from_numpy(pixels)


def read_label_set(folder: Path) -> LabelSet:
    """Returns the label set that the maps of `folder` use, from the "label_set" entry of its meta.json.

    Raises UserError if the file is missing, no JSON object, or names no known label set.
    """
    path = folder / "meta.json"
    try:
        name = read_json(path)["label_set"]
        return LABEL_SETS[name]
    except Unreadable as error:
        reason = error.reason
    except (KeyError, TypeError) as error:
        reason = f"{type(error).__name__} {explain(error)}"
    raise UserError(f"{path} names no label set of {', '.join(LABEL_SETS)} ({reason}); {_advice(path)}")


def find_label_set(folder: Path, maps: Sequence[Path], named: str | None = None) -> tuple[LabelSet, str]:
    """Returns the label set of the `maps` in a folder, and in words what says so; empty where its meta.json does.

    Without meta.json it is the one `named`, or else what the maps say: SCHP's palette has a colour for each class, and
    only LIP has the largest class ids. Raises UserError if they do not say it, or meta.json says another.
    """
    path = folder / "meta.json"
    if os.path.lexists(path):
        found = read_label_set(folder)
        if named not in (None, found.name):
            raise UserError(
                f"--labels {named}: {path} says {found.name}; leave --labels out, or correct the file"
            )
        return found, ""
    if named is not None:
        return LABEL_SETS[named], f"--labels {named}"
    if (said := _said_by_palettes(maps[:SAMPLE]) or _said_by_ids(maps[:SAMPLE])) is not None:
        return said
    raise UserError(
        f"{folder} has no meta.json that names its label set, nor do its maps tell it; add --labels with one of "
        f"{', '.join(LABEL_SETS)}, or {_advice(path)}"
    )


def _advice(path: Path) -> str:
    return f'for SCHP trained on LIP: echo \'{{"label_set": "lip"}}\' > {shlex.quote(str(path))}'


def _said_by_palettes(maps: Sequence[Path]) -> tuple[LabelSet, str] | None:
    """Returns the label set with as many classes as the palettes of `maps` have colours, if all have as many."""
    counts = set()
    for path in maps:
        with suppress(Unreadable):  # which is said where maps are read
            counts.add(count_colours(path))
    sizes = {len(labels.parts): labels for labels in LABEL_SETS.values()}
    if len(counts) != 1 or not counts <= sizes.keys():
        return None
    (count,) = counts
    return sizes[count], f"the {count} colours of its maps' palettes"


def _said_by_ids(maps: Sequence[Path]) -> tuple[LabelSet, str] | None:
    """Returns the only label set that has the largest class id of `maps`."""
    for path in maps:
        try:
            largest = int(max({*np.unique(read_ids(path)).tolist()} - {IGNORE}, default=0))
        except Unreadable:
            continue
        able = [labels for labels in LABEL_SETS.values() if largest < len(labels.parts)]
        if len(able) == 1:
            return able[0], f"class id {largest} in {path.name}, which no other label set has"
    return None
