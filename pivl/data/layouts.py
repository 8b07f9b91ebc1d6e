"""Public benchmarks on disk: from folders and lists as they are distributed to a Listing (method.md 4).

Patterns are matched against base names alone: a folder may look like a picture's name.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from pivl.data.digests import Report
from pivl.data.facts import SETS, Benchmark, SetName
from pivl.data.listing import DISTRACTOR, Entry, Listing, identify
from pivl.errors import UserError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
BLURRED = ("mask_train_v2", "mask_test_v2")  # MSMT17 V2


def list_benchmark(facts: Benchmark, root: Path, report: Report | None = None) -> Listing:
    """The pictures of a public benchmark in `root`, or in one of the folders below it that usually hold it.

    Raises UserError, one line, for a missing folder or list, for MSMT17 V2, and for a picture whose name or camera the
    benchmark cannot have. Counts are not looked at here. `report` as for identify.
    """
    folder = locate(facts, root)
    found: dict[SetName, list[Entry]] = {}
    missing: list[str] = []
    ignored = 0
    sources = {which: str(folder / facts.folders[which]) for which in SETS}
    for which in SETS:
        if facts.lists:
            found[which], absent = _listed(facts, folder, which)
            missing += absent
            sources[which] = " and ".join(str(folder / name) for name in facts.lists[which])
        else:
            found[which], junk = _scanned(facts, folder, which)
            ignored += junk
    entries = {which: tuple(sorted(found[which], key=lambda entry: entry.name)) for which in SETS}
    listing = Listing(facts.name, facts.name, folder, entries, sources, facts, tuple(missing), ignored)
    return identify(listing, report)


def locate(facts: Benchmark, root: Path) -> Path:
    """The folder that holds the benchmark: `root`, or the first of `facts.below` under it that is whole."""
    train = facts.folders["train"]
    places = [root, *(root / name for name in facts.below)]
    lacks = {folder: _lack(facts, folder) for folder in places if (folder / train).is_dir()}
    for folder, lack in lacks.items():
        if lack is None:
            return folder
    if lacks:
        raise UserError(f"{facts.name}: no {next(iter(lacks.values()))}; unpack {facts.title} again")
    for folder in places:
        if (
            facts.lists
            and folder.is_dir()
            and (masked := {name.lower() for name in os.listdir(folder)} & {*BLURRED})
        ):
            raise UserError(
                f"{facts.name}: {folder} is MSMT17 V2 ({max(masked)}): its faces are blurred, which costs 2 to 4 mAP, "
                "so its numbers are not comparable with published ones; use V1 (folders train and test)"
            )
    if not root.is_dir():
        raise UserError(
            f"{facts.name}: {root} is no folder; name the one that holds {facts.title} with --data-root"
        )
    raise UserError(
        f"{facts.name}: no folder {train} in {root}, nor in the folders below it that usually hold {facts.title} "
        f"({', '.join(facts.below[:2])}, ...); name its folder with --data-root"
    )


def _lack(facts: Benchmark, folder: Path) -> Path | None:
    """The first folder or list of the benchmark that `folder` does not hold."""
    folders = [folder / name for name in facts.folders.values()]
    lists = [folder / name for names in (facts.lists or {}).values() for name in names]
    return next((path for path in [*folders, *lists] if not path.exists()), None)


def _scanned(facts: Benchmark, folder: Path, which: SetName) -> tuple[list[Entry], int]:
    """The pictures of a set by their names alone, and how many junk pictures were left out."""
    entries, ignored = [], 0
    for file in sorted((folder / facts.folders[which]).iterdir()):
        if file.name.startswith(".") or not file.name.lower().endswith(PICTURES):
            continue
        name = f"{facts.folders[which]}/{file.name}"
        person, camera = _parse(facts, folder / name)
        if person == facts.junk:
            ignored += 1
            continue
        shown = DISTRACTOR if person == facts.distractor else f"{person:04d}"
        entries.append(Entry(name, file.stat().st_size, shown, camera))
    return entries, ignored


def _parse(facts: Benchmark, path: Path) -> tuple[int, int]:
    """Person (0 where the name does not say it) and camera, numbered from 0, by a picture's base name."""
    match = facts.pattern.match(path.name)
    if match is None:
        raise UserError(
            f"{facts.name}: {path} is not named as {facts.title} names its pictures; move it elsewhere"
        )
    camera = int(match["camera"])
    if not 1 <= camera <= facts.cameras:
        raise UserError(
            f"{facts.name}: {path} is by camera {camera}, {facts.title} has {facts.cameras}; move it elsewhere"
        )
    return int(match.groupdict().get("person", 0)), camera - 1


def _listed(facts: Benchmark, folder: Path, which: SetName) -> tuple[list[Entry], list[str]]:
    """The pictures that the lists of a set name, and the names of those that are not there.

    The people of train and test are numbered from 0 each, so the folder is part of a person here.
    """
    entries: list[Entry] = []
    missing: list[str] = []
    place = facts.folders[which]
    for below, person in _read_lists(facts, folder, which):
        name = f"{place}/{below}"
        try:
            size = os.stat(folder / name).st_size
        except OSError:
            missing.append(name)
            continue
        _, camera = _parse(facts, folder / name)
        entries.append(Entry(name, size, f"{place}/{person:04d}", camera))
    return entries, missing


def _read_lists(facts: Benchmark, folder: Path, which: SetName) -> Iterator[tuple[str, int]]:
    """Path and person of every line of the lists of a set."""
    assert facts.lists is not None
    for path in (folder / name for name in facts.lists[which]):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{facts.name}: cannot read {path} ({error}); unpack {facts.title} again"
            ) from error
        for number, line in enumerate(lines, 1):
            below, _, person = line.strip().rpartition(" ")
            if not person:
                continue
            if not below or not person.isdecimal():
                raise UserError(f"{facts.name}: {path}, line {number}: {line!r} is not a path and a person")
            yield below, int(person)
