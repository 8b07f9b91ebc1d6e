"""The appraisal of printed tables: their contrasts, test sets and checks, and what measured records add."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.claims.carried import Carried
from harness.claims.contrasts import Contrast, find_contrasts
from harness.claims.datasets import known_datasets
from harness.claims.findings import Check, check_tables
from harness.claims.paper import paper_tables
from harness.claims.ranks.across import Ranking, find_rankings
from harness.claims.ranks.orders import Order, find_orders
from harness.claims.reading import find_row
from harness.claims.sentences import sentence
from harness.claims.table import Dataset, PrintedTable
from pivl.errors import UserError


@dataclass(frozen=True)
class Appraisal:
    """Appraised tables; `carried` is None where no record of a measured benchmark was at hand.

    rankings: across the data sets of a table; orders: of the paper's rows beside the same as we measured them.
    """

    tables: tuple[PrintedTable, ...]
    datasets: tuple[Dataset, ...]
    contrasts: tuple[Contrast, ...]
    checks: tuple[Check, ...]
    rankings: tuple[Ranking, ...] = ()
    orders: tuple[Order, ...] = ()
    carried: Carried | None = None


def appraise(
    tables: Sequence[PrintedTable],
    own: Mapping[str, Dataset],
    dataset: Dataset | None = None,
    baseline: str | None = None,
    carried: Carried | None = None,
    measured: Sequence[Path] = (),
) -> Appraisal:
    """The appraisal of `tables`; `own`: test sets that the catalog does not have.

    dataset: only its columns. measured: files of tables of ours, whose order is held to the
    paper's. baseline: the row that all are compared with where a table has no parents. Raises
    UserError where the tables have nothing of that data set, or no row of that name.
    """
    by_title = {one.title: one for one in (*known_datasets().values(), *own.values())}
    if dataset is not None:
        tables = [_only(table, dataset.title) for table in tables]
        if not any(row.cells for table in tables for row in table.rows):
            raise UserError(f"--dataset {dataset.title}: the tables have no figure of it; leave it out")
    contrasts = [
        one
        for table in tables
        for one in find_contrasts(
            table, by_title, find_row("--baseline", baseline, table.rows) if baseline is not None else None
        )
    ]
    used = dict.fromkeys(column.dataset for table in tables for row in table.rows for column in row.cells)
    return Appraisal(
        tables=tuple(tables),
        datasets=tuple(by_title[title] for title in used),
        contrasts=tuple(contrasts),
        checks=check_tables(tables, by_title, contrasts),
        rankings=find_rankings(tables),
        orders=find_orders(measured, dataset),
        carried=carried,
    )


def say_of_sources(sources: Sequence[str]) -> list[str]:
    """Sentences on what the paper's tables of `sources`, as `Table 3, row 1`, can support, one for each comparison."""
    named = {source.split(",")[0] for source in sources}
    tables = [table for table in paper_tables() if table.title in named]
    return [sentence(one) for one in appraise(tables, {}).contrasts]


def _only(table: PrintedTable, dataset: str) -> PrintedTable:
    """The table with the columns of one data set."""
    rows = [
        replace(row, cells={column: cell for column, cell in row.cells.items() if column.dataset == dataset})
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))
