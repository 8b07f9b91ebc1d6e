"""Printers of a Table: Markdown for people here, CSV and JSON for programs in `harness.report.export`."""

from collections.abc import Callable

from harness.analysis import costs
from harness.analysis.statistics import Estimate
from harness.analysis.table import (
    CLUSTER_WORDS,
    CONSISTENCY,
    MAJORITIES,
    METRICS,
    RANK1,
    Column,
    Line,
    Table,
)
from harness.report import contrasts, health
from harness.report import published as published_table
from harness.report.export import to_csv, to_json
from harness.report.grid import gain, grid, interval, number
from harness.report.notes import notes


def markdown(table: Table) -> str:
    """The table with its footer as GitHub's Markdown; ends in a newline."""
    warned = f"{table.warning.title}: " if table.warning else ""
    blocks = [f"### {warned}{table.study.title}, measured on {table.heading}"]
    blocks += [f"> **{table.caution}.**"] if table.warning else []
    blocks.append(f"{table.study.question} {table.study.caption}")
    for section in dict.fromkeys(line.row.section for line in table.lines):
        blocks += [f"**{section}**"] if section else []
        blocks.append(_results(table, section))
    if table.contrasts:
        blocks += [contrasts.note(table), contrasts.rows(table)]
    if table.study.published_table:
        blocks.append(grid(*published_table.rows(table), left=(0, 1)))
    if any(line.cost for line in table.lines):
        found = [(line.row.title, line.cost) for line in table.lines]
        blocks += [costs.NOTE, grid(costs.HEADINGS, costs.rows(found), left=(0, len(costs.HEADINGS) - 1))]
    if any(line.consistency for line in table.lines):
        blocks += [_consistency_note(table), _consistency(table)]
    blocks += health.section(table)
    blocks.append("\n".join(f"- {note}" for note in notes(table)))
    return "\n\n".join(blocks) + "\n"


def _results(table: Table, section: str) -> str:
    lines = [line for line in table.lines if line.row.section == section]
    printed = any(line.row.published for line in lines)
    compared = any(line.differences for line in lines)
    headings = ["Row", *(column.heading for column in table.columns)]
    headings += [f"Paper, {published_table.dataset(table)}: {metric}" for metric in METRICS if printed]
    headings += [f"Ours, {table.dataset}: {metric}" for metric in METRICS]
    headings += [f"{metric}, ours minus paper" for metric in METRICS if compared]
    headings += [f"{metric} gain over {table.reference}" for metric in METRICS]
    rows = []
    for line in lines:
        cells = [line.row.title, *(_further(column, line.row.name) for column in table.columns)]
        cells += [_paper_cell(line, metric) for metric in METRICS if printed]
        cells += [
            interval(line.means.get(metric), 1, f"1 {CLUSTER_WORDS[table.clusters][0]}") for metric in METRICS
        ]
        cells += [_difference(line, metric) for metric in METRICS if compared]
        cells += ["" if line.is_baseline else gain(line.gains.get(metric)) for metric in METRICS]
        rows.append([*cells, line.standing, _seeds(line)])
    return grid([*headings, "Verdict", "Seeds"], rows, left=(0, len(headings), len(headings) + 1))


def _further(column: Column, row: str) -> str:
    value = column.values.get(row)
    if value is None or isinstance(value, Estimate):
        return interval(value, column.decimals)
    return f"{value:,.{column.decimals}f}"


def _difference(line: Line, metric: str) -> str:
    return number(line.differences[metric], 1, "+") if line.differences else "-"


def _consistency_note(table: Table) -> str:
    shares = {
        item: line.consistency[item.key].mean
        for item in MAJORITIES
        for line in table.lines
        if item.key in line.consistency
    }
    said = ", ".join(f"{item.heading} {share:.{item.decimals}f} %" for item, share in shares.items())
    chance = f" Majority baseline (the commonest part everywhere) of its grid: {said}." if said else ""
    return (
        "**Within-part consistency**, the paper's Fig. 2 as numbers: whether a pixel feature of the deployed tower "
        "lies nearest its own part's text, and closer to its own part than to others, within an identity and across "
        f"identities; mean over seeds [95 % interval]. Left and right count as one part.{chance}"
    )


def _consistency(table: Table) -> str:
    measured = [item for item in CONSISTENCY if any(item.key in line.consistency for line in table.lines)]
    rows = [
        [line.row.title, *(interval(line.consistency.get(item.key), item.decimals) for item in measured)]
        for line in table.lines
    ]
    return grid(["Row", *(item.heading for item in measured)], rows)


def _paper_cell(line: Line, metric: str) -> str:
    published = line.row.published
    if published is None:
        return "-"
    return f"{published.rank1 if metric == RANK1 else published.mean_ap:.1f}"


def _seeds(line: Line) -> str:
    """The number of finished seeds, and the row's problems in brief; the footer has their details."""
    count = str(line.finished) if line.finished == line.planned else f"{line.finished} of {line.planned}"
    return "; ".join([count, *(problem.brief for problem in line.problems)])


PRINTERS: dict[str, Callable[[Table], str]] = {"markdown": markdown, "csv": to_csv, "json": to_json}
