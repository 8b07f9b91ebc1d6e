"""A table as text for a terminal, as wide as that is: the narrow form, or all where there is room or it is asked for."""

from dataclasses import replace
from textwrap import fill, wrap

from tabulate import tabulate

from harness.analysis.table import Table
from harness.report.page.blocks import Block, Grid, Notes, Text
from harness.report.page.document import Layout, lay_out
from harness.report.page.inline import pieces

DEFAULT = Layout()
WHOLE = 119  # characters from which on a terminal has room for all
SEPARATOR = 2  # blanks between columns
LEAST = 16  # characters of a cell's line
MORE = "--wide prints every column, contrast and note; --columns names columns."


def terminal(table: Table, width: int, wide: bool = False, layout: Layout = DEFAULT) -> str:
    """The table for a terminal of `width` characters; ends in a newline.

    wide: all of it however narrow the terminal is. Without that a terminal of less than 119 characters has the brief
    form, as has one whose columns were named, and says how to see the rest.
    """
    if layout.brief or (not wide and (width < WHOLE or layout.columns)):
        blocks = [*lay_out(table, replace(layout, brief=True)), Text(MORE)]
    else:
        blocks = lay_out(table, layout)
    return "\n\n".join(_text(block, width, wide) for block in blocks) + "\n"


def _text(block: Block, width: int, wide: bool) -> str:
    match block:
        case Grid():
            broken = _broken(block, width)
            parts = [block] if wide else broken.within(width, SEPARATOR, border=-SEPARATOR)
            return "\n\n".join(map(_columns, parts))
        case Notes():
            return "\n".join(_fill(item, width, "- ", "  ") for item in block.items)
        case Text():
            return _fill(block.text, width)


def _fill(text: str, width: int, first: str = "", others: str = "") -> str:
    """The text without marks in lines of `width`; words are whole but where one is longer than a line."""
    return fill(_plain(text), width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _plain(text: str) -> str:
    return "".join(piece for _, piece in pieces(text))


def _broken(grid: Grid, width: int) -> Grid:
    """The grid; where it is wider than `width`, cells to the left are broken into lines, the longest first."""
    rows = [[_plain(text) for text in row] for row in [grid.headings, *grid.rows]]
    sizes = replace(grid, headings=rows[0], rows=rows[1:]).sizes()
    while sum(sizes) + SEPARATOR * (len(sizes) - 1) > width:
        longest = max(grid.left, key=lambda place: sizes[place], default=0)
        if sizes[longest] <= LEAST:
            break
        sizes[longest] -= 1
    cells = [
        [
            "\n".join(wrap(text, sizes[place], break_on_hyphens=False)) if place in grid.left else text
            for place, text in enumerate(row)
        ]
        for row in rows
    ]
    return replace(grid, headings=cells[0], rows=cells[1:])


def _columns(grid: Grid) -> str:
    sides = ["left" if place in grid.left else "right" for place in range(len(grid.headings))]
    rows = [[_plain(text) for text in row] for row in grid.rows]
    return tabulate(rows, grid.headings, tablefmt="simple", colalign=sides, disable_numparse=True)
