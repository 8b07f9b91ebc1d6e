"""A person's own data: one csv file that says of every picture whom it shows, by which camera, in which set."""

import os
from collections.abc import Mapping
from pathlib import Path

from pivl.data.benchmarks import SETS, SetName
from pivl.data.cache.digests import Report
from pivl.data.datasets.names import is_negative, is_no_name, one_name_each, plain_name
from pivl.data.datasets.strict_csv import read_csv
from pivl.data.listing import DISTRACTOR, Entry, Listing, broken, identify, in_order, size_of
from pivl.errors import UserError

COLUMNS = ("path", "person", "camera", "split")
PART_MAP = "part_map"
JUNK = "-1"  # the person of a picture that is left out, as Market-1501 has it
Row = dict[str, str]


def list_csv(file: Path, root: Path | None = None, report: Report | None = None) -> Listing:
    """Returns the pictures that `file` lists, with paths below `root` or, without one, below the file's own folder.

    Columns: path, person, camera, split (train, query or gallery) and, if wanted, part_map. People and cameras are any
    text; 1, 01 and 1.0 are one name (see names.plain_name). The person `distractor` is never a right answer, pictures of
    the person -1 are left out and counted. Cameras are numbered in sorted order. Raises UserError, one line with the row
    as a spreadsheet numbers it, for what is no name, an unknown split, a picture listed twice or in two ways, a missing
    file, and as read_csv does. `report` as for identify.
    """
    folder = root or file.parent
    rows = dict(read_csv(file, COLUMNS, PART_MAP))
    junk = [number for number, row in rows.items() if _check(f"{file.name}: row {number}", row)]
    for number in junk:
        del rows[number]
    for column in ("person", "camera"):
        names = one_name_each(row[column] for row in rows.values())
        for row in rows.values():
            row[column] = names[row[column]]
    cameras = in_order({row["camera"] for row in rows.values()})
    entries = _list_rows(file, folder, rows, {name: number for number, name in enumerate(cameras)})
    sources = dict.fromkeys(SETS, str(file))
    listing = Listing(file.stem, file.name, folder, entries, sources, tuple(cameras), ignored=len(junk))
    return identify(listing, report)


def _check(where: str, row: Row) -> bool:
    """Returns whether a row shows junk; UserError for an unknown split and for what is no name."""
    if row["split"] not in SETS:
        raise UserError(f"{where}: split {row['split']!r} is none of {', '.join(SETS)}")
    if (person := plain_name(row["person"])) == JUNK:
        return True
    if person.casefold() == DISTRACTOR:
        row["person"] = DISTRACTOR
    for column in ("person", "camera"):
        name = plain_name(row[column])
        if is_no_name(name) or is_negative(name):
            known = f"; {DISTRACTOR} is a wrong answer, {JUNK} left out" if column == "person" else ""
            raise UserError(f"{where}: {row[column]!r} is no {column}; name it, or remove the row{known}")
    return False


def _list_rows(
    file: Path, folder: Path, rows: Mapping[int, Row], cameras: Mapping[str, int]
) -> dict[SetName, tuple[Entry, ...]]:
    """Returns the pictures of each set, sorted by name."""
    found: dict[SetName, list[Entry]] = {which: [] for which in SETS}
    seen: dict[str, tuple[int, Row]] = {}
    for number, row in rows.items():
        where, name = f"{file.name}: row {number}", os.path.normpath(row["path"])
        _check_once(where, name, row, seen)
        seen.setdefault(f"{row['split']} {name}", (number, row))
        seen.setdefault(name, (number, row))
        if (size := size_of(folder / name)) is None:
            raise UserError(f"{where}: {_say_missing(folder / name)}")
        which = next(one for one in SETS if one == row["split"])
        found[which].append(
            Entry(name, size, row["person"], cameras[row["camera"]], row.get(PART_MAP) or None)
        )
    return {which: tuple(sorted(found[which], key=lambda entry: entry.name)) for which in SETS}


def _say_missing(path: Path) -> str:
    if why := broken(path):
        return f"{path} is {why}; put the image there, or remove the row"
    slashes = "write / between folders and file" if "\\" in str(path) else "correct the path"
    return f"no image {path}; {slashes}, or name its folder with --data-root"


def _check_once(where: str, name: str, row: Row, seen: Mapping[str, tuple[int, Row]]) -> None:
    """A picture may stand in query and gallery, but once in each, and always with the same person and camera."""
    if again := seen.get(f"{row['split']} {name}"):
        raise UserError(f"{where}: {name} is in row {again[0]} of {row['split']} already; remove one")
    if (other := seen.get(name)) is None:
        return
    for column in ("person", "camera"):
        if other[1][column] != row[column]:
            raise UserError(
                f"{where}: {name} has {column} {row[column]!r}, but {other[1][column]!r} in row {other[0]}; correct one"
            )
