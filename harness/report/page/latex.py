"""A table as LaTeX for a paper: tabulars with booktabs, bold only where a gain is marked, notes below."""

import re
from textwrap import wrap

from harness.analysis.table import Table
from harness.report.page.blocks import Block, Grid, Notes, Text
from harness.report.page.document import WHOLE, Layout, lay_out
from harness.report.page.inline import Mark, convert

SPECIAL = {
    **{one: f"\\{one}" for one in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar\allowbreak{}", "±": r"$\pm$", "λ": r"$\lambda$",
}  # fmt: skip
MARKS: dict[Mark, tuple[str, str]] = {
    "bold": (r"\textbf{", "}"),
    "italic": (r"\emph{", "}"),
    "code": (r"\texttt{", "}"),
}
PREAMBLE = r"% \usepackage[T1]{fontenc} and {booktabs}; \input this file where the tables shall stand."
MOST = 114  # characters of a line of a grid, which is as wide as a page of 6.5 inches in \footnotesize
HEADING = 16  # characters of a line of a heading
ROW_TITLE = 34


def latex(table: Table, layout: Layout = WHOLE) -> str:
    """The table with its footer as LaTeX; in the brief form a float with caption and label. Ends in a newline."""
    blocks = lay_out(table, layout)
    if not layout.brief:
        return "\n\n".join([PREAMBLE, *map(_block, blocks)]) + "\n"
    said = " ".join(f"{_inline(block.text).rstrip('.')}." for block in blocks if isinstance(block, Text))
    others = [_block(block) for block in blocks if not isinstance(block, Text)]
    opened = [r"\begin{table*}", r"\centering", rf"\caption{{{said}}}", rf"\label{{tab:{table.study.name}}}"]
    return "\n".join([PREAMBLE, *opened, "\n\n".join(others), r"\end{table*}"]) + "\n"


def escaped(text: str) -> str:
    """The text as LaTeX sets it: special characters by commands, minus signs, quotation marks, and no dash for --."""
    found = "".join(SPECIAL.get(one, one) for one in text)
    for pattern, replacement in (
        (r"(?<![\w-])-(?=\d)", "$-$"),
        (r"-(?=-)", "-{}"),
        (r'"([^"]*)"', r"``\1''"),
    ):
        found = re.sub(pattern, replacement, found)
    return found


def _inline(text: str) -> str:
    return convert(text, escaped, MARKS)


def _block(block: Block) -> str:
    match block:
        case Grid():
            parts = [_tabular(part) for part in _narrow(block).within(MOST, edge=2)]
            return "\n".join(f"\\medskip\n{part}\\par\\medskip" for part in parts)
        case Notes():
            items = "\n".join(rf"\item {_inline(item)}" for item in block.items)
            return f"{{\\footnotesize\\raggedright\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}}}"
        case Text(text, "title"):
            return rf"\paragraph{{{_inline(text)}}}"
        case Text(text, _):
            return rf"\noindent {_inline(text)}"


def _narrow(grid: Grid) -> Grid:
    """The grid with headings and titles of rows in lines, joined by newlines, that are as narrow as can be."""
    headings = [
        "\n".join(wrap(text, HEADING, break_long_words=False, break_on_hyphens=False))
        for text in grid.headings
    ]
    rows = [["\n".join(wrap(row[0], ROW_TITLE)) or "", *row[1:]] for row in grid.rows]
    return Grid(headings, rows, grid.left, grid.keys)


def _tabular(grid: Grid) -> str:
    sides = ["l" if place in grid.left else "r" for place in range(len(grid.headings))]
    head = " & ".join(_stacked(text, side) for text, side in zip(grid.headings, sides, strict=True))
    rows = "\n".join(
        " & ".join(_stacked(text, side) for text, side in zip(row, sides, strict=True)) + r" \\"
        for row in grid.rows
    )
    return (
        f"{{\\footnotesize\\setlength{{\\tabcolsep}}{{4pt}}\\noindent\n\\begin{{tabular}}{{@{{}}{''.join(sides)}@{{}}}}\n"
        f"\\toprule\n{head} \\\\\n\\midrule\n{rows}\n\\bottomrule\n\\end{{tabular}}}}"
    )


def _stacked(text: str, side: str) -> str:
    """A cell; of several lines in a tabular of its own, since a cell has one."""
    lines = [_inline(line) for line in text.split("\n")]
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(lines)
    return f"\\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{stacked}\\end{{tabular}}"
