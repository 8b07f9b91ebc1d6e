"""A person's own data: one csv file that says of every picture whom it shows, by which camera, in which set."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from pivl.data.digests import Report
from pivl.data.facts import SETS, SetName
from pivl.data.listing import Entry, Listing, identify, in_order
from pivl.errors import UserError

COLUMNS = ("path", "person", "camera", "split")
PART_MAP = "part_map"


def list_csv(file: Path, root: Path | None = None, report: Report | None = None) -> Listing:
    """The pictures that `file` lists, with paths below `root` or, without one, below the file's own folder.

    Columns: path, person (any text; `distractor` for a gallery picture that is never a right answer), camera (any text;
    cameras are numbered in sorted order), split (train, query or gallery) and, if wanted, part_map. Raises UserError,
    one line with the row as a spreadsheet numbers it, for a missing column or cell, an unknown split, a picture listed
    twice or in two ways, and a missing file. `report` as for identify.
    """
    folder = root or file.parent
    rows = dict(_read_rows(file))
    cameras = {name: number for number, name in enumerate(in_order({row["camera"] for row in rows.values()}))}
    found: dict[SetName, list[Entry]] = {which: [] for which in SETS}
    seen: dict[str, tuple[int, dict[str, str]]] = {}
    for number, row in rows.items():
        where = f"{file.name}: row {number}"
        which = next((name for name in SETS if name == row["split"]), None)
        if which is None:
            raise UserError(f"{where}: split {row['split']!r} is none of {', '.join(SETS)}")
        name = os.path.normpath(row["path"])
        _check_once(where, name, row, seen)
        seen.setdefault(f"{which} {name}", (number, row))
        seen.setdefault(name, (number, row))
        try:
            size = os.stat(folder / name).st_size
        except OSError:
            raise UserError(
                f"{where}: no picture {folder / name}; correct the path, or name its folder with --data-root"
            ) from None
        part_map = row.get(PART_MAP) or None
        found[which].append(Entry(name, size, row["person"], cameras[row["camera"]], part_map))
    entries = {which: tuple(sorted(found[which], key=lambda entry: entry.name)) for which in SETS}
    return identify(Listing(file.stem, file.name, folder, entries, dict.fromkeys(SETS, str(file))), report)


def _check_once(
    where: str, name: str, row: dict[str, str], seen: dict[str, tuple[int, dict[str, str]]]
) -> None:
    """A picture may stand in query and gallery, but once in each, and always with the same person and camera."""
    if again := seen.get(f"{row['split']} {name}"):
        raise UserError(f"{where}: {name} stands in row {again[0]} of {row['split']} already; remove one")
    if (other := seen.get(name)) is None:
        return
    for column in ("person", "camera"):
        if other[1][column] != row[column]:
            raise UserError(
                f"{where}: {name} has {column} {row[column]!r} here and {other[1][column]!r} in row {other[0]}"
            )


def _read_rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number (the header's is 1) and cells of every row, stripped; each wanted cell is filled."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            _check_header(file, list(reader.fieldnames or ()))
            for row in reader:
                where = f"{file.name}: row {reader.line_num}"
                if None in row:
                    raise UserError(
                        f"{where}: more cells than the header has columns; quote cells with commas"
                    )
                cells = {name.strip(): (cell or "").strip() for name, cell in row.items()}
                for column in COLUMNS:
                    if not cells[column]:
                        raise UserError(f"{where}: no {column}")
                yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {file} ({error}); name a csv file in UTF-8") from error


def _check_header(file: Path, header: list[str]) -> None:
    names = [name.strip() for name in header]
    for column in COLUMNS:
        if column not in names:
            raise UserError(
                f"{file.name}: no column {column}; the first row must name {', '.join(COLUMNS)}, and may name {PART_MAP}"
            )
