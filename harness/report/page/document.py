"""The blocks of a table: what is asked, the answer, the results, comparisons, consistency, health, and notes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis import costs
from harness.analysis.table import CONSISTENCY, MAJORITIES, Table
from harness.report import contrasts, health
from harness.report import published as published_table
from harness.report.export import KEYS
from harness.report.grid import interval
from harness.report.notes import brief_notes, notes, notes_of_tests
from harness.report.page import worlds
from harness.report.page.blocks import Block, Grid, Notes, Text
from harness.report.page.columns import ROW, gains_of, grid_of, groups_of
from harness.report.page.sentence import answer

Names = Sequence[str]


@dataclass(frozen=True)
class Layout:
    """A choice of what is printed: `columns` of the results, where not those that a table has by itself.

    brief: the rows with the primary metric, its gain, p, verdict and seeds, and the notes that no number may be read
    without; no contrasts, consistency or health.
    """

    columns: Names = ()
    brief: bool = False


WHOLE = Layout()


def lay_out(table: Table, layout: Layout = WHOLE) -> list[Block]:
    """The blocks of a table, all of them or the brief form; of test runs alone, what was tried."""
    if table.is_tried_only:
        return [*_head(table), *_tried(table), Notes(tuple(notes_of_tests(table)))]
    if layout.brief:
        key = KEYS[table.study.primary]
        columns = layout.columns or [ROW, key, *gains_of(table, key), f"{key}-p", "verdict", "seeds"]
        return [*_head(table), *_results(table, [columns], brief=True), Notes(tuple(brief_notes(table)))]
    blocks = [*_head(table), Text(answer(table))]
    blocks += _results(table, [layout.columns] if layout.columns else groups_of(table))
    if table.contrasts:
        blocks += [Text(contrasts.note(table)), *contrasts.grids(table)]
    blocks += worlds.section(table)
    if table.study.published_table:
        blocks.append(published_table.grid(table))
    if any(line.cost for line in table.lines):
        found = [(line.row.title, line.cost) for line in table.lines]
        blocks += [Text(costs.NOTE), Grid(costs.HEADINGS, costs.rows(found), (0, len(costs.HEADINGS) - 1))]
    if any(line.consistency for line in table.lines):
        blocks += [Text(_consistency_note(table)), _consistency(table)]
    return [*blocks, *health.section(table), Notes(tuple(notes(table)))]


def _head(table: Table) -> Iterator[Block]:
    warned = f"{table.warning.title}: " if table.warning else ""
    yield Text(f"{warned}{table.study.title}, measured on {table.heading}", "title")
    if table.warning:
        yield Text(f"**{table.caution}.**", "warning")
    yield Text(f"{table.study.question} {table.study.caption}")


def _tried(table: Table) -> Iterator[Block]:
    """The stages of the test runs, in the place of results."""
    assert table.tried is not None
    yield Text(
        f"**Test run**, {table.tried.limit} steps per stage: scores are not reported. Drop --limit-steps for results."
    )
    yield Grid(
        ["Row", "Stage", "Seeds", "Steps", "Loss in the last step", "Seconds"],
        [
            [one.row, one.stage, str(one.seeds), f"{one.steps:g}", f"{one.loss:.3f}", f"{one.seconds:.1f}"]
            for one in table.tried.stages
        ],
        (0, 1),
    )


def _results(table: Table, groups: Sequence[Names], brief: bool = False) -> Iterator[Block]:
    for section in dict.fromkeys(line.row.section for line in table.lines):
        if section:
            yield Text(f"**{section}**")
        for names in groups:
            yield grid_of(table, names, section, brief)


def _consistency_note(table: Table) -> str:
    shares = {
        item: line.consistency[item.key].mean
        for item in MAJORITIES
        for line in table.lines
        if item.key in line.consistency
    }
    said = ", ".join(f"{item.heading} {share:.{item.decimals}f} %" for item, share in shares.items())
    chance = f" Majority baseline (the commonest part everywhere) of its grid: {said}." if said else ""
    over = "worlds and seeds [95 % interval over worlds]" if table.worlds else "seeds [95 % interval]"
    return (
        "**Within-part consistency**, the paper's Fig. 2 as numbers: whether a pixel feature of the deployed tower "
        "lies nearest its own part's text, and closer to its own part than to others, within an identity and across "
        f"identities; mean over {over}. Left and right count as one part.{chance}"
    )


def _consistency(table: Table) -> Grid:
    measured = [item for item in CONSISTENCY if any(item.key in line.consistency for line in table.lines)]
    rows = [
        [line.row.title, *(interval(line.consistency.get(item.key), item.decimals) for item in measured)]
        for line in table.lines
    ]
    return Grid(["Row", *(item.heading for item in measured)], rows)
