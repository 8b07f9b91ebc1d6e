"""csv files read strictly: a row is a line, and what may be meant in two ways is refused by its row."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pivl.data.datasets.lines import read_lines
from pivl.errors import UserError

LONGEST = 4096  # characters of a cell: no path has more, and Python reads no number of more digits
CELL = r'(?: *+"(?:[^"]|"")*+" *+|[^",]*+)'
ROW = re.compile(f"{CELL}(?:,{CELL})*+")
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(file: Path, columns: Sequence[str], optional: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number (the first row's is 1) and cells of every row below the header, stripped, by column in small letters.

    All of `columns` are there and filled, `optional` may be; others are passed over. Raises UserError, one line with
    the row as a spreadsheet numbers it: for a stray quote and a line break within a cell, for more or fewer cells than
    columns, for an empty or over-long cell, for a column that lacks or that is there twice, and as read_lines does.
    """
    header: list[str] | None = None
    for number, line in read_lines(file, "name a csv file in UTF-8"):
        where = f"{file.name}: row {number}"
        cells = _split(where, line)
        if header is None:
            header = [cell.casefold() for cell in cells]
            _check_header(file, line, header, columns, optional)
        else:
            row = _read_row(where, header, cells, columns)
            yield number, row
    if header is None:
        raise UserError(
            f"{file.name}: no row; the first must name {', '.join(columns)}, and may name {optional}"
        )


def _split(where: str, line: str) -> list[str]:
    """Returns the cells of a line; in a quoted one commas are letters, and two quotes are one."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(",")]
    if not ROW.fullmatch(line):
        raise UserError(
            f"{where}: a stray quote; a quoted cell ends in its row, and quotes in it are written twice"
        )
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]


def _check_header(file: Path, line: str, header: list[str], columns: Sequence[str], optional: str) -> None:
    for name in header:
        if name and header.count(name) > 1:
            raise UserError(
                f"{file.name}: {header.count(name)} columns are called {name}; remove or rename one"
            )
    for name in columns:
        if name not in header:
            other = next((said for mark, said in OTHER_SEPARATORS.items() if mark in line), None)
            separated = f" (cells are separated by commas, not by {other})" if other else ""
            raise UserError(
                f"{file.name}: no column {name}; the first row must name {', '.join(columns)}, and may name "
                f"{optional}{separated}"
            )


def _read_row(where: str, header: list[str], cells: list[str], columns: Sequence[str]) -> dict[str, str]:
    if len(cells) > len(header):
        raise UserError(f"{where}: more cells than the header has columns; quote cells with commas")
    row = dict(zip(header, cells, strict=False))
    for name in columns:
        if not row.get(name):
            raise UserError(f"{where}: no {name}")
    if len(cells) < len(header):
        raise UserError(
            f"{where}: {len(cells)} cells, but {len(header)} columns; write the commas of empty cells"
        )
    for name, cell in row.items():
        if len(cell) > LONGEST:
            raise UserError(f"{where}: a {name} of {len(cell):,} characters; correct it")
    return row
