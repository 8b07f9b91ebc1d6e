"""Arithmetic checks of printed tables: what cannot be, what contradicts itself, what is doubtful, and why.

Every check also says what it looked at, so that finding nothing means something.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from harness.claims.contrasts import Contrast, label
from harness.claims.significance import hits, share_unattainable
from harness.claims.table import MEAN_AP, MEAN_INP, Cell, Column, Dataset, PrintedTable, Row

Severity = Literal["impossible", "contradiction", "doubtful"]
SEVERITIES: tuple[Severity, ...] = ("impossible", "contradiction", "doubtful")
"""From what no result prints as, over two statements that cannot both hold, to what should be explained."""


@dataclass(frozen=True)
class Finding:
    """A fault of a printed figure: where it stands, and the reason in one line."""

    severity: Severity
    where: str
    reason: str


@dataclass(frozen=True)
class Check:
    """A check's findings, and in one line what it looked at."""

    looked_at: str
    findings: tuple[Finding, ...]


def check_tables(
    tables: Sequence[PrintedTable], datasets: Mapping[str, Dataset], contrasts: Sequence[Contrast]
) -> tuple[Check, ...]:
    """Checks all tables for all kinds of faults; `datasets` by title."""
    return (
        _attainable(tables, datasets),
        _rising(tables),
        _inverse_penalty(tables),
        _gains(tables),
        _stressed(tables),
        _repeated(tables, contrasts),
    )


def _cells(tables: Sequence[PrintedTable]) -> Iterator[tuple[PrintedTable, int, Column, Cell]]:
    for table in tables:
        for number, row in enumerate(table.rows):
            yield from ((table, number, column, cell) for column, cell in row.cells.items())


def _where(table: PrintedTable, number: int, column: Column | None = None, dataset: str = "") -> str:
    named = f"{column.dataset} {column.metric}" if column else dataset
    return f"{table.title}, {label(table, number)}, {named}"


def _attainable(tables: Sequence[PrintedTable], datasets: Mapping[str, Dataset]) -> Check:
    """Checks that each Rank-k is a share of that many queries (GRIM)."""
    findings, power = [], {}
    looked = 0
    for table, number, column, cell in _cells(tables):
        if column.rank is None:
            continue
        looked, queries = looked + 1, datasets[column.dataset].queries
        decimals = _decimals(cell)
        power[f"{column.dataset} at {decimals} decimal{'s' * (decimals != 1)}"] = share_unattainable(
            decimals, queries
        )
        if not hits(cell, queries):
            nearest = round(cell.value * queries / 100)
            reason = (
                f"no number of right answers among {queries:,} queries prints as {cell.value}; "
                f"{nearest:,} print as {100 * nearest / queries:.{decimals}f}"
            )
            findings.append(Finding("impossible", _where(table, number, column), reason))
    shares = "; ".join(f"{name} {100 * share:.0f} %" for name, share in power.items())
    return Check(
        f"attainability of {looked} Rank-k by the number of queries (GRIM; share of wrong values that it would notice: "
        f"{shares or 'none printed'})",
        tuple(findings),
    )


def _decimals(cell: Cell) -> int:
    return max(0, -int(cell.value.as_tuple().exponent))


def _rising(tables: Sequence[PrintedTable]) -> Check:
    """Checks that Rank-k rises in k."""
    findings, looked = [], 0
    for table in tables:
        for number, row in enumerate(table.rows):
            for name in dict.fromkeys(column.dataset for column in row.cells):
                of_rank = {
                    rank: column
                    for column in row.cells
                    if column.dataset == name and (rank := column.rank) is not None
                }
                for fewer, more in pairwise(sorted(of_rank)):
                    looked += 1
                    low, high = row.cells[of_rank[fewer]], row.cells[of_rank[more]]
                    if low.value - low.half > high.value + high.half:
                        reason = f"Rank-{fewer} is {low.value}, Rank-{more} only {high.value}, which counts them and more"
                        findings.append(Finding("impossible", _where(table, number, dataset=name), reason))
    return Check(f"Rank-k rising in k: {looked} pairs", tuple(findings))


def _inverse_penalty(tables: Sequence[PrintedTable]) -> Check:
    """Checks that mINP is at most mAP."""
    findings, looked = [], 0
    for table in tables:
        for number, row in enumerate(table.rows):
            for column, cell in row.cells.items():
                other = row.cells.get(Column(column.dataset, MEAN_AP))
                if column.metric != MEAN_INP or other is None:
                    continue
                looked += 1
                if cell.value - cell.half > other.value + other.half:
                    reason = (
                        f"mINP {cell.value} exceeds mAP {other.value}: only right answers that all come late, and "
                        "together, do that"
                    )
                    findings.append(
                        Finding("doubtful", _where(table, number, dataset=column.dataset), reason)
                    )
    return Check(f"mINP at most mAP: {looked} pairs", tuple(findings))


def _gains(tables: Sequence[PrintedTable]) -> Check:
    """Checks each printed difference against that of the printed figures, to rounding, over any row that may be meant."""
    findings, looked = [], 0
    for table, number, column, cell in _cells(tables):
        if cell.gain is None:
            continue
        meant = table.ancestors(number) or range(number)
        others = [table.rows[n].cells[column] for n in meant if column in table.rows[n].cells]
        looked += bool(others)
        gaps = {other: abs(cell.gain - (cell.value - other.value)) for other in others}
        slack = {other: cell.half + other.half + _half(cell.gain) for other in others}
        if others and all(gaps[other] > slack[other] for other in others):
            nearest = min(others, key=lambda other: gaps[other])
            reason = (
                f"the printed difference is {cell.gain:+}, that of the printed {cell.value} and {nearest.value} is "
                f"{cell.value - nearest.value:+}"
            )
            findings.append(Finding("contradiction", _where(table, number, column), reason))
    return Check(f"printed differences against differences of the printed: {looked}", tuple(findings))


def _half(value: Decimal) -> Decimal:
    return Cell(value).half


def _stressed(tables: Sequence[PrintedTable]) -> Check:
    """Checks that each bold figure is the largest of its column among the rows of its backbone."""
    findings, looked = [], 0
    for table, number, column, cell in _cells(tables):
        if not cell.bold:
            continue
        looked += 1
        backbone = table.rows[number].backbone
        rivals = {
            n: row.cells[column].value
            for n, row in enumerate(table.rows)
            if row.backbone == backbone and column in row.cells
        }
        best = max(rivals, key=lambda n: rivals[n])
        if rivals[best] > cell.value:
            reason = f"{cell.value} is bold, and {label(table, best)} has {rivals[best]}"
            findings.append(Finding("doubtful", _where(table, number, column), reason))
    return Check(f"bold figures against the largest of their column: {looked}", tuple(findings))


def _repeated(tables: Sequence[PrintedTable], contrasts: Sequence[Contrast]) -> Check:
    """Checks that one method has one figure wherever it is printed; names the steps claimed beside it."""
    seen: dict[tuple[tuple[str, str], Column], list[tuple[str, Row, Cell]]] = {}
    for table, number, column, cell in _cells(tables):
        row = table.rows[number]
        seen.setdefault((row.identity, column), []).append((table.title, row, cell))
    findings, looked = [], 0
    for (identity, column), places in seen.items():
        looked += len(places) - 1
        values = [cell.value for _, _, cell in places]
        least, most = (min(places, key=lambda one: sign * one[2].value)[2] for sign in (1, -1))
        gap = most.value - least.value
        if gap > max(least.half, most.half):  # a figure may be printed with more digits elsewhere
            printed = ", ".join(
                f"{value} in {title}" for value, (title, _, _) in zip(values, places, strict=True)
            )
            claimed = [
                abs(step.gain) for step in contrasts if step.column == column and identity in step.identities
            ]
            beside = f"; the steps claimed with it are {min(claimed)} to {max(claimed)}" if claimed else ""
            where = f"{places[0][1].method}, {column.dataset} {column.metric}"
            findings.append(Finding("contradiction", where, f"{printed}: {gap} apart{beside}"))
    return Check(
        f"methods printed more than once on one data set and backbone: {looked} figures", tuple(findings)
    )
