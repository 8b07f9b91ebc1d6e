"""Printers of a Table by format: Markdown here, those of programs in `harness.report.export`."""

from collections.abc import Callable

from harness.analysis.table import Table
from harness.report.export import to_csv, to_json
from harness.report.grid import grid
from harness.report.page.blocks import Block, Grid, Notes, Text
from harness.report.page.document import WHOLE, Layout, lay_out
from harness.report.page.html import html
from harness.report.page.latex import latex

MOST = 121  # characters of a grid's line: the results of Table 3 in one grid
MARKS = {"title": "### ", "warning": "> ", "paragraph": ""}


def markdown(table: Table, layout: Layout = WHOLE) -> str:
    """The table with its footer as GitHub's Markdown; ends in a newline."""
    return "\n\n".join(text for block in lay_out(table, layout) for text in _texts(block)) + "\n"


def _texts(block: Block) -> list[str]:
    match block:
        case Grid():
            return [
                grid([*part.headings], [[*row] for row in part.rows], part.left)
                for part in block.within(MOST)
            ]
        case Notes():
            return ["\n".join(f"- {item}" for item in block.items)]
        case Text():
            return [MARKS[block.kind] + block.text]


PAGES: dict[str, Callable[[Table, Layout], str]] = {"markdown": markdown, "html": html, "latex": latex}
"""The printers for people, which take a layout."""

PRINTERS: dict[str, Callable[[Table], str]] = {
    "markdown": markdown,
    "html": html,
    "latex": latex,
    "csv": to_csv,
    "json": to_json,
}
