"""Columns of the rows of a table by the names that --columns takes, and the grids that are made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.statistics import Estimate
from harness.analysis.table import CLUSTER_WORDS, MEAN_AP, MORE_METRICS, RANK1, Column, Line, Table
from harness.inputs.choices import choose
from harness.report import published
from harness.report.export import KEYS
from harness.report.grid import interval, number, p_value, signed_beyond, signed_interval
from harness.report.page.blocks import Grid

ROW = "row"


@dataclass(frozen=True)
class ShownColumn:
    """A column as it is printed: its heading, the cell of a row, and whether cells stand to the left.

    short: the heading, and brief: the cell, where there is little room, if these are others.
    """

    heading: str
    cell: Callable[[Line], str]
    left: bool = False
    short: str = ""
    brief: Callable[[Line], str] | None = None


def columns_of(table: Table) -> dict[str, ShownColumn]:
    """Every column that the table has, by name."""
    found = {ROW: ShownColumn("Row", lambda line: line.row.title, left=True)}
    for further in table.columns:
        found[further.key] = ShownColumn(further.heading, _further(further))
    for metric in (RANK1, MEAN_AP):
        found |= _of_metric(table, metric)
    for metric in MORE_METRICS:
        found[KEYS[metric]] = _ours(table, metric)
    found["verdict"] = ShownColumn("Verdict", lambda line: line.standing, left=True)
    found["seeds"] = ShownColumn("Runs" if table.worlds else "Seeds", _seeds, left=True)
    return found


def choose_columns(typed: str, table: Table) -> list[str]:
    """The columns that --columns names, the row's first. UserError for a name that the table does not have."""
    known = columns_of(table)
    chosen = [choose("columns", name.strip(), known) for name in typed.split(",")]
    return [ROW, *(name for name in dict.fromkeys(chosen) if name != ROW)]


def groups_of(table: Table) -> list[list[str]]:
    """The names of columns, a list for each grid of the whole table: the primary metric, the other one, the paper's."""
    primary = KEYS[table.study.primary]
    other = next(key for key in (KEYS[RANK1], KEYS[MEAN_AP]) if key != primary)
    further = [column.key for column in table.columns]
    known = {KEYS[metric] for metric in MORE_METRICS}
    scores = [key for key in further if key in known]
    about = [key for key in further if key not in scores]
    groups = [
        [ROW, *about, primary, *gains_of(table, primary), f"{primary}-p", "verdict", "seeds"],
        [ROW, other, *gains_of(table, other), f"{other}-p", *scores],
    ]
    if any(line.row.published for line in table.lines):
        compared = any(line.differences for line in table.lines)
        paper = [f"paper-{KEYS[metric]}" for metric in (RANK1, MEAN_AP)]
        groups.append([ROW, *paper, *(f"{KEYS[m]}-less-paper" for m in (RANK1, MEAN_AP) if compared)])
    return groups


def gains_of(table: Table, key: str) -> list[str]:
    """The names of the columns with the gain in a metric: one, or of several worlds one for each interval."""
    return [f"{key}-gain", f"{key}-gain-alike"] if table.worlds else [f"{key}-gain"]


def grid_of(table: Table, names: Sequence[str], section: str, brief: bool = False) -> Grid:
    """The grid of the rows of a section in the columns `names`; brief: where there is little room."""
    shown = columns_of(table)
    columns = [shown[name] for name in names]
    lines = [line for line in table.lines if line.row.section == section]
    left = tuple(place for place, column in enumerate(columns) if column.left)
    cells = [(brief and column.brief) or column.cell for column in columns]
    headings = [(brief and column.short) or column.heading for column in columns]
    return Grid(headings, [[cell(line) for cell in cells] for line in lines], left)


def _of_metric(table: Table, metric: str) -> Mapping[str, ShownColumn]:
    key, paper = KEYS[metric], published.dataset(table)
    these = ", these identities" if table.worlds else ""
    return {
        f"paper-{key}": ShownColumn(f"Paper, {paper}: {metric}", lambda line: _paper(line, metric)),
        key: _ours(table, metric),
        f"{key}-less-paper": ShownColumn(
            f"{metric}, ours minus paper", lambda line: _difference(line, metric)
        ),
        f"{key}-gain": ShownColumn(
            f"{metric} gain over {table.reference}{these}",
            lambda line: "" if line.is_baseline else signed_interval(line.gains.get(metric)),
            short=f"{metric} gain",
        ),
        **(_alike(metric) if table.worlds else {}),
        f"{key}-p": ShownColumn(
            f"p, {metric}", lambda line: "" if line.is_baseline else p_value(line.gains.get(metric))
        ),
    }


def _alike(metric: str) -> Mapping[str, ShownColumn]:
    """The column of the interval of gains in a metric for identities like these."""

    def cell(line: Line) -> str:
        return "" if line.is_baseline else signed_beyond(line.gains.get(metric))

    return {
        f"{KEYS[metric]}-gain-alike": ShownColumn(
            f"{metric} gain, identities like these", cell, short="like these"
        )
    }


def _ours(table: Table, metric: str) -> ShownColumn:
    """The column of a metric; where there is little room without intervals, since no gain is read from them."""
    alone = f"1 {CLUSTER_WORDS[table.clusters][0]}"

    def mean(line: Line) -> str:
        return number(line.means[metric].mean, 1) if metric in line.means else "-"

    return ShownColumn(
        f"Ours, {table.dataset}: {metric}",
        lambda line: interval(line.means.get(metric), 1, alone),
        short=metric,
        brief=mean,
    )


def _further(column: Column) -> Callable[[Line], str]:
    def cell(line: Line) -> str:
        value = column.values.get(line.row.name)
        if value is None or isinstance(value, Estimate):
            return interval(value, column.decimals)
        return f"{value:,.{column.decimals}f}"

    return cell


def _paper(line: Line, metric: str) -> str:
    published_row = line.row.published
    if published_row is None:
        return "-"
    return f"{published_row.rank1 if metric == RANK1 else published_row.mean_ap:.1f}"


def _difference(line: Line, metric: str) -> str:
    return number(line.differences[metric], 1, "+") if line.differences else "-"


def _seeds(line: Line) -> str:
    """The number of finished seeds, and the row's problems in brief; the footer has their details."""
    count = str(line.finished) if line.finished == line.planned else f"{line.finished} of {line.planned}"
    return "; ".join([count, *(problem.brief for problem in line.problems)])
