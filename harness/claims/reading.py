"""Tables of others, csv or Markdown: a method a row, columns named by data set and metric, with an optional parent row.

`parent` names the row or rows (separated by ;) that a row is compared with; `backbone` tells rows of one name apart. A
cell may have the printed difference behind it and be bold: **91.2** (+0.8). A dash is a missing cell.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from harness.claims.datasets import choose_dataset
from harness.claims.table import MEAN_AP, MEAN_INP, Cell, Column, Dataset, PrintedTable, Row
from harness.inputs.choices import choose
from pivl.data.datasets.lines import read_lines
from pivl.data.datasets.strict_csv import read_csv
from pivl.errors import UserError

ADVICE = "name a table as .csv or .md, text in UTF-8"
METRIC = re.compile(
    r"(?:^|(?<=[\W_]))(rank|r|top|cmc)[-_ @]*([1-9]\d{0,2})$|(?:^|(?<=[\W_]))(map|minp)$", re.I
)
NUMBER = r"\d{1,3}(?:\.\d{1,4})?"
CELL = re.compile(rf"({NUMBER}) ?%?(?: ?\( ?([+\-\u2212\u2013]) ?({NUMBER}) ?%?\))?")
STRESS = re.compile(r"\*\*|__|</?b>|</?strong>", re.I)
MISSING = ("", "-", "\u2013", "\u2014", "n/a", "na")
Lines = list[
    tuple[int, dict[str, str]]
]  # number of the line in the file, and its cells by heading in small letters


def read_tables(
    file: Path, own: Mapping[str, Dataset], dataset: Dataset | None = None
) -> tuple[PrintedTable, ...]:
    """The tables of a file: one of csv, all those of Markdown. `dataset`: that of columns that name none.

    Raises UserError, one line that names file, row and column, for what is no such table.
    """
    match file.suffix.lower():
        case ".csv":
            found: list[tuple[str, Lines]] = [(file.name, [*read_csv(file, ("method",), "parent")])]
        case ".md" | ".markdown":
            found = [*_markdown(file)]
        case _:
            raise UserError(f"{file}: neither .csv nor .md; {ADVICE}")
    if not any(lines for _, lines in found):
        raise UserError(f"{file.name}: no row of a table; {ADVICE}")
    return tuple(_table(file, title, lines, own, dataset) for title, lines in found if lines)


def _markdown(file: Path) -> Iterator[tuple[str, Lines]]:
    """Title and lines of each table of a Markdown file; the title is the file's name with the heading above."""
    heading = ""
    header: list[str] = []
    above: list[str] = []
    lines: Lines = []
    for number, line in read_lines(file, ADVICE):
        where = f"{file.name}: row {number}"
        if not line.lstrip().startswith("|"):
            if header:
                yield _title(file, heading), lines
            header, above, lines = [], [], []
            heading = line.strip("#* \t") if line.startswith(("#", "**")) else heading
            continue
        cells = _cells(line)
        if all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            header, lines = _header(where, above), []
        elif header:
            if len(cells) != len(header):
                raise UserError(
                    f"{where}: {len(cells)} cells, but {len(header)} columns; write | between all of them"
                )
            lines.append((number, dict(zip(header, cells, strict=True))))
        else:
            above = cells
    if header:
        yield _title(file, heading), lines


def _title(file: Path, heading: str) -> str:
    return f"{file.name}, {heading}" if heading else file.name


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _header(where: str, cells: list[str]) -> list[str]:
    names = [STRESS.sub("", cell).strip().casefold() for cell in cells]
    if "method" not in names:
        raise UserError(f"{where}: the line above names no column method, which a table needs")
    for name in names:
        if name and names.count(name) > 1:
            raise UserError(f"{where}: {names.count(name)} columns are called {name}; rename one")
    return names


def _table(
    file: Path, title: str, lines: Lines, own: Mapping[str, Dataset], dataset: Dataset | None
) -> PrintedTable:
    headings = [name for name in lines[0][1] if name not in ("method", "parent", "backbone")]
    columns = {name: found for name in headings if (found := _column(file, name, own, dataset))}
    if not columns:
        raise UserError(
            f"{file.name}: no column is named by data set and metric, as market1501 Rank-1 or dukemtmc mAP"
        )
    for one in columns.values():
        if [*columns.values()].count(one) > 1:
            raise UserError(
                f"{file.name}: two columns are {one.metric} on {one.dataset}; remove or rename one"
            )
    rows = [_row(file, number, cells, columns) for number, cells in lines]
    printed = [cell.value for row in rows for cell in row.cells.values()]
    if printed and max(printed) <= 1:
        raise UserError(f"{file.name}: no value is above 1; write percent, as 91.2")
    parents = [_parents(file, number, cells, rows) for number, cells in lines]
    for own_number, (of, (number, _)) in enumerate(zip(parents, lines, strict=True)):
        if own_number in of:
            raise UserError(f"{file.name}: row {number}, column parent: a row is not compared with itself")
    rows = [Row(row.method, row.cells, row.backbone, of) for row, of in zip(rows, parents, strict=True)]
    return PrintedTable(title, tuple(rows), tuple(name for name in headings if name and name not in columns))


def _column(file: Path, name: str, own: Mapping[str, Dataset], dataset: Dataset | None) -> Column | None:
    """The data set and metric that a heading names; None where it names no metric."""
    match = METRIC.search(name)
    if match is None:
        return None
    metric = {"map": MEAN_AP, "minp": MEAN_INP}[match[3]] if match[3] else f"Rank-{match[2]}"
    before = name[: match.start()].strip(" :,/_-|()")
    try:
        found = choose_dataset(before, own) if before else dataset
    except UserError as error:
        raise UserError(f"{file.name}: column {name}: {error}; or give its counts with --queries") from error
    if found is None:
        raise UserError(f"{file.name}: column {name} names no data set; name it there, or with --dataset")
    return Column(found.title, metric)


def _row(file: Path, number: int, cells: Mapping[str, str], columns: Mapping[str, Column]) -> Row:
    method = STRESS.sub("", cells["method"]).strip()
    if not method:
        raise UserError(f"{file.name}: row {number}: no method")
    read = {
        column: _cell(f"{file.name}: row {number}, column {name}", cells[name])
        for name, column in columns.items()
        if STRESS.sub("", cells[name]).strip().casefold() not in MISSING
    }
    return Row(method, read, cells.get("backbone", ""))


def _cell(where: str, text: str) -> Cell:
    plain = STRESS.sub("", text).strip()
    match = CELL.fullmatch(plain)
    if match is None or Decimal(match[1]) > 100:
        raise UserError(
            f"{where}: {plain[:40]!r} is no percentage; write 91.2, or with its difference 91.2 (+0.8)"
        )
    sign = 1 if match[2] == "+" else -1
    return Cell(Decimal(match[1]), sign * Decimal(match[3]) if match[3] else None, plain != text.strip())


def _parents(file: Path, number: int, cells: Mapping[str, str], rows: Sequence[Row]) -> tuple[int, ...]:
    names = [name.strip() for name in cells.get("parent", "").split(";")]
    return tuple(
        find_row(f"{file.name}: row {number}, column parent", name, rows, cells.get("backbone", ""))
        for name in names
        if name.casefold() not in MISSING
    )


def find_row(where: str, name: str, rows: Sequence[Row], backbone: str = "") -> int:
    """The number of the row called `name`, of those with this backbone if several are. UserError for none or several."""
    named = [n for n, row in enumerate(rows) if row.method.casefold() == name.casefold()]
    same = [n for n in named if rows[n].backbone == backbone]
    found = same if len(named) > 1 else named
    if len(found) == 1:
        return found[0]
    if not named:
        try:
            choose("row", name, [row.method for row in rows])
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    raise UserError(f"{where}: {len(named)} rows are called {name}; tell them apart in a column backbone")
