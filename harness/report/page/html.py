"""A table as HTML: elements that stand in any page, without a style or script of their own."""

from collections.abc import Sequence
from html import escape

from harness.analysis.table import Table
from harness.report.page.blocks import Block, Grid, Notes, Text
from harness.report.page.document import WHOLE, Layout, lay_out
from harness.report.page.inline import Mark, convert

MARKS: dict[Mark, tuple[str, str]] = {
    "bold": ("<strong>", "</strong>"),
    "italic": ("<em>", "</em>"),
    "code": ("<code>", "</code>"),
}
AROUND = {"title": ("<h2>", "</h2>"), "warning": ('<p role="note">', "</p>"), "paragraph": ("<p>", "</p>")}


def html(table: Table, layout: Layout = WHOLE) -> str:
    """The table with its footer as HTML elements; ends in a newline."""
    return "".join(element(block) + "\n" for block in lay_out(table, layout))


def inline(text: str) -> str:
    """The text, escaped, with its marks as elements."""
    return convert(text, escape, MARKS)


def element(block: Block) -> str:
    """The element of a block."""
    match block:
        case Grid():
            return _table(block)
        case Notes():
            return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in block.items)}</ul>"
        case Text():
            before, after = AROUND[block.kind]
            return f"{before}{inline(block.text)}{after}"


def _table(grid: Grid) -> str:
    sides = ["left" if place in grid.left else "right" for place in range(len(grid.headings))]
    head = "".join(
        f'<th scope="col" style="text-align:{side}">{inline(text)}</th>'
        for side, text in zip(sides, grid.headings, strict=True)
    )
    body = "\n".join(f"<tr>{_row(row, sides, grid.keys)}</tr>" for row in grid.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _row(row: Sequence[str], sides: Sequence[str], keys: int) -> str:
    cells = []
    for place, (text, side) in enumerate(zip(row, sides, strict=True)):
        name, scope = ("th", ' scope="row"') if place < keys else ("td", "")
        cells.append(f'<{name}{scope} style="text-align:{side}">{inline(text)}</{name}>')
    return "".join(cells)
