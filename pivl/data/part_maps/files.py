"""The part maps of a data set's training pictures on disk: found, read, counted (method.md 3.5)."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pivl.data.cache.digests import Report, digest_files
from pivl.data.listing import Line, Listing
from pivl.data.part_maps.labels import IGNORE, LabelSet
from pivl.data.part_maps.reading import find_label_set, read_map
from pivl.data.picture_file import read_size
from pivl.errors import UserError

Source = tuple[Path, Path | None]  # a picture and its map


@dataclass(frozen=True)
class MapFile:
    """A part map's path below its folder, its size in bytes and its SHA-256; empty where it cannot be read."""

    name: str
    bytes: int
    digest: str = ""


@dataclass(frozen=True)
class MapFiles:
    """The part maps of a training set: one for each of its pictures, in their order, or None where there is none.

    identify: from a folder and names of files to what stands for their content.
    """

    folder: Path
    labels: LabelSet
    found: tuple[MapFile | None, ...]
    identify: Callable[[Path, Sequence[str]], list[str]] = digest_files

    @property
    def coverage(self) -> int:
        """How many training pictures have a map."""
        return sum(file is not None for file in self.found)

    def lines(self, listing: Listing) -> Iterator[Line]:
        """Yields what the maps add to a fingerprint: label set, names and digests."""
        yield "part maps", self.labels.name
        for entry, file in zip(listing.entries["train"], self.found, strict=True):
            yield (entry.name, file.name, file.digest) if file else (entry.name,)

    def sources(self, listing: Listing) -> list[Source]:
        """Returns each training picture's file with that of its map."""
        return pair(listing, self.folder, self.found)


def find_maps(
    listing: Listing, folder: Path | None, report: Report | None = None, labels: str | None = None
) -> MapFiles | None:
    """The part maps that the data set names itself, or that lie in `folder`; None if it names none and folder is None.

    In `folder`, next to its meta.json, the map of bounding_box_train/a.jpg is bounding_box_train/a.png, train/a.png or
    a.png; that of train/0000/a.jpg also 0000/a.png. SCHP's name for a.jpeg, `a..png`, is found too. `labels` names the
    label set of maps without meta.json. Raises UserError as find_label_set does, if the folder is missing, or if two
    pictures share a map. `report(done, total)` counts what has to be read.
    """
    located = locate_maps(listing, folder)
    return located and identify_maps(*located, report, labels)


def locate_maps(listing: Listing, folder: Path | None) -> tuple[Path, list[MapFile | None]] | None:
    """The folder of the maps that find_maps finds, and each map without its digest; no label set is needed for that."""
    entries = listing.entries["train"]
    named = any(entry.part_map for entry in entries)
    if folder is None and not named:
        return None
    place = folder or listing.folder
    if not os.path.isdir(place):
        raise UserError(f"{place} is no folder; name the one that holds the part maps with --part-maps")
    if named:
        found = [_stat(place, entry.part_map) if entry.part_map else None for entry in entries]
    else:
        there = dict(_walk(place))
        own = [next((name for name in _names(entry.name) if name in there), None) for entry in entries]
        _check_own(listing, place, own)
        found = [MapFile(name, there[name]) if name else None for name in own]
    return place, found


def identify_maps(
    place: Path, found: Sequence[MapFile | None], report: Report | None = None, labels: str | None = None
) -> MapFiles:
    """Returns what locate_maps found with its label set and its digests; `report` and `labels` as in find_maps."""
    names = [file.name for file in found if file]
    known, _ = find_label_set(place, [place / name for name in names], labels)
    digests = iter(digest_files(place, names, report))
    return MapFiles(place, known, tuple(file and replace(file, digest=next(digests)) for file in found))


def pair(listing: Listing, folder: Path, found: Sequence[MapFile | None]) -> list[Source]:
    """Returns each training picture's file with that of its map, which lies in `folder`."""
    maps = [folder / file.name if file else None for file in found]
    return list(zip(listing.paths("train"), maps, strict=True))


def tell_labels(maps: MapFiles, labels: str | None) -> str:
    """Returns in words what told the label set of maps that find_maps found with `labels`; empty: their meta.json."""
    return find_label_set(maps.folder, [maps.folder / file.name for file in maps.found if file], labels)[1]


def missing_fault(listing: Listing, maps: MapFiles) -> list[str]:
    """Returns a line if training pictures have no map."""
    lacking = [
        entry.name for entry, file in zip(listing.entries["train"], maps.found, strict=True) if not file
    ]
    if not lacking:
        return []
    return [
        f"{listing.called}: {len(lacking)} of {len(maps.found)} train images have no part map in {maps.folder} "
        f"(first: {lacking[0]}); parse them, or pass --allow-partial and they are trained without"
    ]


def write_maps(
    target: Path, offset: int, sources: Sequence[Source], size: tuple[int, int], labels: LabelSet
) -> int:
    """Put the maps of `sources`, uint8 [H, W] each at `size` by nearest pixel, into `target` from byte `offset` on.

    A picture without a map has IGNORE everywhere. Returns how many there were; raises UserError as read_map does.
    """
    with open(target, "r+b") as file:
        file.seek(offset)
        for picture, path in sources:
            part_map = np.full(size, IGNORE, np.uint8)
            if path is not None:
                pixels = Image.fromarray(read_map(path, labels, read_size(picture)).numpy())
                part_map = np.asarray(pixels.resize(size[::-1], Image.Resampling.NEAREST))
            file.write(part_map.tobytes())
    return len(sources)


def inspect_maps(sources: Sequence[Source], labels: LabelSet | None) -> tuple[list[str], set[int]]:
    """Returns the messages of maps that cannot be used, and the class ids that others hold; `labels` as in read_map."""
    faults: list[str] = []
    classes: set[int] = set()
    for picture, path in sources:
        try:
            size = read_size(picture)
        except UserError:
            continue  # said where pictures are read
        try:
            if path is not None:
                classes.update(read_map(path, labels, size).unique().tolist())
        except UserError as error:
            faults.append(str(error))
    return faults, classes - {IGNORE}


def _names(picture: str) -> Iterator[str]:
    """Yields where the map of a picture may lie, the most telling first."""
    path = PurePosixPath(picture)
    inside = PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 else path
    stems = dict.fromkeys((path.stem, path.name[:-4]))  # the second is SCHP's
    for place in dict.fromkeys((path.parent, "train" / inside.parent, inside.parent, PurePosixPath())):
        for stem in stems:
            yield str(place / f"{stem}.png")


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Name below `folder` and size of every PNG file; a link that leads nowhere is none."""
    for place, _, files in os.walk(folder):
        below = PurePosixPath(Path(place).relative_to(folder).as_posix())
        for name in files:
            if name.lower().endswith(".png") and (file := _stat(folder, str(below / name))):
                yield file.name, file.bytes


def _stat(folder: Path, name: str) -> MapFile | None:
    try:
        return MapFile(name, os.stat(folder / name).st_size)
    except (OSError, ValueError):  # ValueError: a NUL, which no file's name has
        return None


def _check_own(listing: Listing, folder: Path, names: Sequence[str | None]) -> None:
    """Raise UserError if a map would serve two pictures: in a flat folder names may fall together."""
    name, count = Counter(name for name in names if name).most_common(1)[0] if any(names) else ("", 0)
    if count > 1:
        first, second = [
            entry.name for entry, own in zip(listing.entries["train"], names, strict=True) if own == name
        ][:2]
        raise UserError(
            f"{folder / name} would be the part map of {first} and of {second}; keep the images' folders"
        )
