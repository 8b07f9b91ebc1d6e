"""Public benchmarks on disk: from folders and lists as they are distributed to a Listing (method.md 4).

Patterns are matched against base names alone: a folder may look like a picture's name.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pivl.data.benchmarks import SETS, Benchmark, SetName
from pivl.data.cache.digests import Report
from pivl.data.datasets.lines import read_lines
from pivl.data.listing import DISTRACTOR, Entry, Listing, identify, size_of
from pivl.errors import UserError, explain

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
BLURRED = ("mask_train_v2", "mask_test_v2")  # MSMT17 V2


def list_benchmark(facts: Benchmark, root: Path, report: Report | None = None) -> Listing:
    """Returns the pictures of a public benchmark in `root`, or in one of the folders below it that usually hold it.

    Raises UserError, one line, for a missing folder or list, for MSMT17 V2, and for a picture whose name or camera the
    benchmark cannot have. Counts are not looked at here. `report` as for identify.
    """
    folder = locate(facts, root)
    found: dict[SetName, list[Entry]] = {}
    missing: list[str] = []
    broken: list[str] = []
    ignored = 0
    sources = {which: str(folder / facts.folders[which]) for which in SETS}
    for which in SETS:
        if facts.lists:
            found[which], absent = _listed(facts, folder, which)
            missing += [name for name in absent if not os.path.lexists(folder / name)]
            broken += [name for name in absent if os.path.lexists(folder / name)]
            sources[which] = " and ".join(str(folder / name) for name in facts.lists[which])
        else:
            found[which], no_files, junk = _scanned(facts, folder, which)
            broken += no_files
            ignored += junk
    entries = {which: tuple(sorted(found[which], key=lambda entry: entry.name)) for which in SETS}
    cameras = tuple(str(number) for number in range(1, facts.cameras + 1))
    lacking = tuple(missing), tuple(broken)
    listing = Listing(facts.name, facts.name, folder, entries, sources, cameras, facts, *lacking, ignored)
    return identify(listing, report)


def locate(facts: Benchmark, root: Path) -> Path:
    """Returns the folder that holds the benchmark: `root`, or the first of `facts.below` under it that is whole."""
    train = facts.folders["train"]
    places = [root, *(root / name for name in facts.below)]
    lacks = {folder: _lack(facts, folder) for folder in places if os.path.isdir(folder / train)}
    for folder, lack in lacks.items():
        if lack is None:
            return folder
    if lacks:
        raise UserError(f"{facts.name}: no {next(iter(lacks.values()))}; unpack {facts.title} again")
    for folder in places:
        if (
            facts.lists
            and os.path.isdir(folder)
            and (masked := {name.lower() for name in os.listdir(folder)} & {*BLURRED})
        ):
            raise UserError(
                f"{facts.name}: {folder} is MSMT17 V2 ({max(masked)}): its faces are blurred, which costs 2 to 4 mAP, "
                "so its numbers are not comparable with published ones; use V1 (folders train and test)"
            )
    if not os.path.isdir(root):
        raise UserError(
            f"{facts.name}: {root} is no folder; name the one that holds {facts.title} with --data-root"
        )
    raise UserError(
        f"{facts.name}: no folder {train} in {root}, nor in the folders below it that usually hold {facts.title} "
        f"({', '.join(facts.below[:2])}, ...); name its folder with --data-root"
    )


def _lack(facts: Benchmark, folder: Path) -> Path | None:
    """Returns the first folder or list of the benchmark that `folder` does not hold."""
    folders = [folder / name for name in facts.folders.values()]
    lists = [folder / name for names in (facts.lists or {}).values() for name in names]
    lacking = [path for path in folders if not os.path.isdir(path)]
    return next(iter([*lacking, *(path for path in lists if not os.path.isfile(path))]), None)


def _scanned(facts: Benchmark, folder: Path, which: SetName) -> tuple[list[Entry], list[str], int]:
    """The pictures of a set by their names alone, what is named so and no file, and how much junk was left out."""
    entries: list[Entry] = []
    broken: list[str] = []
    ignored, place = 0, facts.folders[which]
    for base in _names_in(facts, folder / place):
        if base.startswith(".") or not base.lower().endswith(PICTURES):
            continue
        name = f"{place}/{base}"
        person, camera = _parse(facts, folder / name)
        if person == facts.junk:
            ignored += 1
        elif (size := size_of(folder / name)) is None:
            broken.append(name)
        else:
            shown = DISTRACTOR if person == facts.distractor else f"{person:04d}"
            entries.append(Entry(name, size, shown, camera))
    return entries, broken, ignored


def _names_in(facts: Benchmark, folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(
            f"{facts.name}: cannot list {folder} ({explain(error)}); unpack {facts.title} again"
        ) from error


def _parse(facts: Benchmark, path: Path) -> tuple[int, int]:
    """Person (0 where the name does not say it) and camera, numbered from 0, by a picture's base name."""
    match = facts.pattern.match(path.name)
    if match is None:
        raise UserError(
            f"{facts.name}: {path} is not named as {facts.title} names its images; move it elsewhere"
        )
    camera = int(match["camera"])
    if not 1 <= camera <= facts.cameras:
        raise UserError(
            f"{facts.name}: {path} is by camera {camera}, {facts.title} has {facts.cameras}; move it elsewhere"
        )
    return int(match.groupdict().get("person", 0)), camera - 1


def _listed(facts: Benchmark, folder: Path, which: SetName) -> tuple[list[Entry], list[str]]:
    """Returns the pictures that the lists of a set name, and the names of those that are no files.

    The people of train and test are numbered from 0 each, so the folder is part of a person here.
    """
    entries: list[Entry] = []
    absent: list[str] = []
    place = facts.folders[which]
    for below, person in _read_lists(facts, folder, which):
        name = f"{place}/{below}"
        if (size := size_of(folder / name)) is None:
            absent.append(name)
            continue
        _, camera = _parse(facts, folder / name)
        entries.append(Entry(name, size, f"{place}/{person:04d}", camera))
    return entries, absent


def _read_lists(facts: Benchmark, folder: Path, which: SetName) -> Iterator[tuple[str, int]]:
    """Path and person of every line of the lists of a set."""
    assert facts.lists is not None
    for path in (folder / name for name in facts.lists[which]):
        for number, line in read_lines(path, f"unpack {facts.title} again"):
            below, _, person = line.strip().rpartition(" ")
            if not below or not re.fullmatch("[0-9]{1,6}", person):
                raise UserError(
                    f"{facts.name}: {path}, line {number}: {line[:200]!r} is not a path and a person; get the list again"
                )
            yield below, int(person)
