"""Health of rows as blocks: the section `Did it take hold?` below a table."""

from harness.analysis.health import GROUPS, LEAST_SKILL, MOST_LOST, Group
from harness.analysis.table import Line, Table
from harness.report.grid import number
from harness.report.page.blocks import Block, Grid, Notes, Text

TITLE = "**Did it take hold?**"


def section(table: Table) -> list[Block]:
    """The blocks of the section: what did not take hold, then a grid for each group of figures; empty without a run."""
    finished = [line for line in table.lines if line.finished and line.trained]
    measured = [line for line in finished if line.health]
    if not finished:
        return []
    if not measured:
        return [
            Text(
                f"{TITLE} Not measured: these runs are from before that was part of a run. "
                "`pivl-bench results measure` measures them from their stored models."
            )
        ]
    summary = f"{TITLE} {summarise(table)} Means over seeds; intervals are in the JSON."
    blocks: list[Block] = [Text(summary), *_faults(measured)]
    if missing := [line.row.title for line in finished if not line.health]:
        blocks.append(Text(f"Not measured: {', '.join(missing)}."))
    for group in GROUPS:
        if any(figure.key in line.health for line in measured for figure in group.figures):
            blocks += [Text(f"*{group.title}*: {group.meaning}."), _grid(group, measured)]
    return blocks


def summarise(table: Table) -> str:
    """The rows that did not learn what they are about, and the rule that says so."""
    unlearned = [line.row.title for line in table.lines if line.faults]
    rule = (
        f"*Not learned* is a row whose texts of identities lost more than {MOST_LOST:g} points of top-1 after 1a, or "
        f"whose alignment has less skill than {LEAST_SKILL:g}: its verdict, in brackets, is none on what its line says."
    )
    return (
        f"{', '.join(unlearned)}: not learned. {rule}"
        if unlearned
        else f"Yes, in all rows that were measured. {rule}"
    )


def _faults(lines: list[Line]) -> list[Notes]:
    said = [f"**{line.row.title}**: {fault.text}." for line in lines for fault in line.faults]
    return [Notes(tuple(said))] if said else []


def _grid(group: Group, lines: list[Line]) -> Grid:
    """The figures of a group, a line each, under the short names of rows; a line for each row where rows are more."""
    shown = [figure for figure in group.figures if any(figure.key in line.health for line in lines)]
    headings = [figure.heading for figure in shown]
    cells = [
        [
            number(line.health[figure.key].mean, figure.decimals) if figure.key in line.health else "-"
            for figure in shown
        ]
        for line in lines
    ]
    if len(lines) > len(shown):
        return Grid(
            ["Row", *headings], [[line.row.title, *own] for line, own in zip(lines, cells, strict=True)]
        )
    across = zip(headings, zip(*cells, strict=True), strict=True)
    return Grid(["Figure", *(line.row.name for line in lines)], [[heading, *own] for heading, own in across])
