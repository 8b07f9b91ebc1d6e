"""Every picture below a folder to its part map, in a folder of the same shape; broken pictures are passed by."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pivl.data.cache.digests import digest_files
from pivl.data.part_maps.confidence import beside
from pivl.data.part_maps.writing import MADE_OF, write_map, write_meta
from pivl.data.picture_file import PNG, read_rgb, read_size, read_text
from pivl.errors import UserError
from pivl.parsers.logits import NotFinite
from pivl.parsers.parser import Parser

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm")

Report = Callable[[int, int], object]  # called with the pictures done and the total
Complain = Callable[[str], object]  # called with one line


@dataclass(frozen=True)
class Outcome:
    """The counts of pictures that were parsed, had a map already, or could not be read."""

    made: int
    there: int
    broken: int


@dataclass(frozen=True)
class Choices:
    """batch: pictures that the network sees at a time. confidence: whether it is written beside the maps."""

    batch: int = 8
    confidence: bool = False


def parse_folder(
    parser: Parser, source: Path, output: Path, choices: Choices, report: Report, complain: Complain
) -> Outcome:
    """Write the map of source/a/b.jpg to output/a/b.png, and meta.json; a map of this very picture that is there stays.

    A map says of which picture it was made. One that does not, of an earlier version or another hand, stays if it has
    the picture's size and was written after the picture was last changed.
    A picture that cannot be read costs a line through `complain`. Raises UserError if there is no picture, two would
    share a map, the output holds maps of another origin or cannot be written, a GPU's memory does not suffice, or the
    parser gives no numbers.
    """
    names = list_pictures(source, output)
    write_meta(output, parser.labels, parser.facts)
    maps = map_names(names)
    digests = dict(zip(names, digest_files(source, names, report), strict=True))
    todo = [
        name
        for name in names
        if not _is_made(source / name, digests[name], output / maps[name], choices.confidence)
    ]
    broken = 0
    for start in range(0, len(todo), choices.batch):
        images: dict[str, torch.Tensor] = {}
        some = todo[start : start + choices.batch]
        for name in some:
            try:
                images[name] = torch.from_numpy(np.array(read_rgb(source / name)))
            except UserError as error:
                complain(str(error))
                broken += 1
        try:
            _parse(parser, images, {name: (output / maps[name], digests[name]) for name in images}, choices)
        except NotFinite as error:
            raise UserError(f"{source / [*images][error.number]}: {error}") from error
        report(start + len(some), len(todo))
    return Outcome(len(todo) - broken, len(names) - len(todo), broken)


def list_pictures(source: Path, output: Path | None = None) -> list[str]:
    """Returns the pictures below `source` by their suffixes, hidden files and `output` left out, in order of name.

    Raises UserError if there is none, or if `output` is `source` itself.
    """
    if not os.path.isdir(source):
        raise UserError(f"{source} is no folder; name one that holds images")
    if output is not None and os.path.realpath(output) == os.path.realpath(source):
        raise UserError(f"{output} holds the images themselves; name another folder for the maps")
    names = sorted(_walk(source, os.path.realpath(output) if output else None))
    if not names:
        raise UserError(f"{source} holds no image ({', '.join(SUFFIXES)}); name the folder that does")
    return names


def map_names(pictures: Sequence[str]) -> dict[str, str]:
    """Returns the map of each picture; UserError if two pictures of one folder differ by their suffixes alone."""
    owners: dict[str, str] = {}
    for name in pictures:
        part_map = os.path.splitext(name)[0] + ".png"
        if part_map in owners:
            raise UserError(
                f"{owners[part_map]} and {name} would both have the map {part_map}; rename one of them"
            )
        owners[part_map] = name
    return {name: part_map for part_map, name in owners.items()}


def _walk(source: Path, output: str | None) -> Iterator[str]:
    for place, folders, files in os.walk(source):
        here = Path(place)
        folders[:] = [name for name in folders if name[0] != "." and os.path.realpath(here / name) != output]
        for name in files:
            if name[0] != "." and name.lower().endswith(SUFFIXES):
                yield (here / name).relative_to(source).as_posix()


def _is_made(picture: Path, digest: str, part_map: Path, confidence: bool) -> bool:
    """Returns whether the map of the picture of that digest is there; writing is atomic, so then it is whole."""
    if not part_map.is_file() or (confidence and not beside(part_map).is_file()):
        return False
    try:
        of = read_text(part_map, MADE_OF)
        same = of == digest if of else _last_change(picture) <= _last_change(part_map)
        return same and read_size(picture) == read_size(part_map, PNG)
    except (UserError, OSError):
        return False  # reading it says what is wrong


def _last_change(path: Path) -> int:
    """When a file or, as when it was moved here, its inode was changed last."""
    facts = path.stat()
    return max(facts.st_mtime_ns, facts.st_ctime_ns)


def _parse(
    parser: Parser, images: dict[str, torch.Tensor], targets: dict[str, tuple[Path, str]], choices: Choices
) -> None:
    """Parse one batch and write its maps, to a path each with the digest of the picture."""
    if not images:
        return
    try:
        found = parser.parse(list(images.values()))
    except torch.OutOfMemoryError as error:
        raise UserError(f"out of GPU memory at --batch {choices.batch}; try a smaller one") from error
    for name, parsed in zip(images, found, strict=True):
        confidence = parsed.confidence.numpy() if choices.confidence else None
        path, digest = targets[name]
        write_map(path, parsed.part_map.numpy(), confidence, of=digest)
