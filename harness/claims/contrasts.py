"""The contrasts of printed tables: what is compared with what, by how much, and what would make that significant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from harness.analysis.statistics import POWER
from harness.claims import significance
from harness.claims.table import Cell, Column, Dataset, PrintedTable


@dataclass(frozen=True)
class Discordance:
    """A Rank-k difference in queries, and the most discordant queries at which McNemar's test still has p < .05.

    printed: the difference as it is printed, to the nearest query; least and most: over all that may have been rounded.
    allowed, allowed_least, allowed_most: the most discordant queries at these three; None where no number is few enough.
    alike: `allowed` if all queries of a person move together; None also where people are not counted. independent: how
    many would be discordant if the two methods' errors had nothing in common; possible: if they had no error in common.
    """

    printed: int
    least: int
    most: int
    allowed: int | None
    allowed_least: int | None
    allowed_most: int | None
    alike: int | None
    independent: float
    possible: int


@dataclass(frozen=True)
class Spread:
    """The standard deviations of paired differences of a mean over queries, in points, that its difference would bear.

    allowed: below it the printed difference is significant; allowed_least and allowed_most: over rounding; powered:
    below it a true gain of this size is found 4 times in 5. alike: `allowed` if all queries of a person move together.
    """

    allowed: float
    allowed_least: float
    allowed_most: float
    powered: float
    alike: float | None


@dataclass(frozen=True)
class Contrast:
    """A row less another in one column; `gain` in points as printed, `low` and `high` what it may be before rounding.

    `identities` are the two rows' names across tables. A difference of Rank-k has a `discordance` unless one of the
    figures can be no share of so many queries; a difference of means has a `spread`.
    """

    table: str
    method: str
    over: str
    dataset: Dataset
    column: Column
    value: Cell
    other: Cell
    identities: tuple[tuple[str, str], tuple[str, str]]
    gain: Decimal
    low: Decimal
    high: Decimal
    discordance: Discordance | None
    spread: Spread | None


def find_contrasts(
    table: PrintedTable, datasets: Mapping[str, Dataset], baseline: int | None = None
) -> list[Contrast]:
    """The contrasts of a table, in the order of its rows and columns.

    Rows with parents are compared with those; without any, every row with `baseline`, or if that is None the last row
    with the best of the others in each column.
    """
    columns = list(dict.fromkeys(column for row in table.rows for column in row.cells))
    return [
        _contrast(table, row, over, column, datasets[column.dataset])
        for column in columns
        for row, over in _pairs(table, column, baseline)
        if column in table.rows[row].cells and column in table.rows[over].cells
    ]


def _pairs(table: PrintedTable, column: Column, baseline: int | None) -> Iterator[tuple[int, int]]:
    """Numbers of the rows that are compared in a column."""
    numbers = range(len(table.rows))
    if any(row.parents for row in table.rows):
        yield from ((row, over) for row in numbers for over in table.rows[row].parents)
    elif baseline is not None:
        yield from ((row, baseline) for row in numbers if row != baseline)
    elif others := [n for n in numbers[:-1] if column in table.rows[n].cells]:
        yield numbers[-1], max(others, key=lambda n: table.rows[n].cells[column].value)


def _contrast(table: PrintedTable, row: int, over: int, column: Column, dataset: Dataset) -> Contrast:
    value, other = table.rows[row].cells[column], table.rows[over].cells[column]
    gain, rounding = value.value - other.value, value.half + other.half
    return Contrast(
        table=table.title,
        method=label(table, row),
        over=label(table, over),
        dataset=dataset,
        column=column,
        value=value,
        other=other,
        identities=(table.rows[row].identity, table.rows[over].identity),
        gain=gain,
        low=gain - rounding,
        high=gain + rounding,
        discordance=_discordance(value, other, dataset) if column.rank else None,
        spread=None if column.rank else _spread(gain, rounding, dataset),
    )


def label(table: PrintedTable, number: int) -> str:
    """The row's method, with its backbone where the table has several rows of that name."""
    row = table.rows[number]
    several = [one.method for one in table.rows].count(row.method) > 1
    return f"{row.method} ({row.backbone})" if several and row.backbone else row.method


def _discordance(value: Cell, other: Cell, dataset: Dataset) -> Discordance | None:
    """The contrast in queries; None where a figure is no share of them."""
    queries = dataset.queries
    right, right_other = significance.hits(value, queries), significance.hits(other, queries)
    if not right or not right_other:
        return None
    ends = (right[0] - right_other[-1], right[-1] - right_other[0])
    printed = round((value.value - other.value) * queries / 100)
    allowed, low, high = (significance.largest_discordant(one, queries) for one in (printed, *ends))
    wrong = [1 - float(cell.value) / 100 for cell in (value, other)]
    return Discordance(
        printed=printed,
        least=ends[0],
        most=ends[1],
        allowed=allowed,
        allowed_least=_fewer(None if ends[0] <= 0 <= ends[1] else low, high),
        allowed_most=max((one for one in (low, high) if one is not None), default=None),
        alike=significance.clustered(allowed, printed, dataset.per_person) if dataset.per_person else None,
        independent=queries * (wrong[0] * (1 - wrong[1]) + wrong[1] * (1 - wrong[0])),
        possible=min(queries, 2 * queries - right[0] - right_other[0]),
    )


def _fewer(one: int | None, other: int | None) -> int | None:
    """The smaller number, None being smaller than any."""
    return None if one is None or other is None else min(one, other)


def _spread(gain: Decimal, rounding: Decimal, dataset: Dataset) -> Spread:
    size, queries = abs(float(gain)), dataset.queries
    ends = max(0.0, size - float(rounding)), size + float(rounding)
    allowed, low, high = (significance.largest_deviation(one, queries) for one in (size, *ends))
    return Spread(
        allowed=allowed,
        allowed_least=low,
        allowed_most=high,
        powered=significance.largest_deviation(size, queries, POWER),
        alike=allowed / dataset.per_person**0.5 if dataset.per_person else None,
    )
