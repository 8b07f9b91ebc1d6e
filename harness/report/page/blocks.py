"""Blocks: what a printed table is made of, before it is Markdown, HTML, LaTeX or text for a terminal.

Texts have the inline marks of Markdown: **bold**, *italic* and `code`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Cells = Sequence[str]
PADDING = 2  # blanks that tabulate adds to a heading


@dataclass(frozen=True)
class Text:
    """A text that stands by itself: a title, a warning, or a paragraph."""

    text: str
    kind: Literal["title", "warning", "paragraph"] = "paragraph"


@dataclass(frozen=True)
class Notes:
    """Items of a list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Rows of cells under headings; columns in `left` stand to the left, numbers to the right.

    keys: how many columns, from the first, say what a row is: a part of the grid has them, too.
    """

    headings: Cells
    rows: Sequence[Cells]
    left: tuple[int, ...] = (0,)
    keys: int = 1

    def pick(self, columns: Sequence[int]) -> "Grid":
        """The grid of some of its columns."""
        return replace(
            self,
            headings=[self.headings[one] for one in columns],
            rows=[[row[one] for one in columns] for row in self.rows],
            left=tuple(place for place, one in enumerate(columns) if one in self.left),
        )

    def sizes(self) -> list[int]:
        """The characters of each column, as tabulate sets them."""
        return [
            max(_width(heading) + PADDING, *map(_width, cells))
            for heading, *cells in zip(self.headings, *self.rows, strict=True)
        ]

    def within(self, width: int, edge: int = 3, border: int = 1) -> "Iterator[Grid]":
        """The grid in parts that are no wider than `width`, as far as a column beside the keys is narrow enough.

        edge: characters that a column takes besides its text; border: those that a part takes besides its columns.
        """
        sizes = [size + edge for size in self.sizes()]
        keys = list(range(self.keys))
        chosen, used = [*keys], border + sum(sizes[: self.keys])
        for column in range(self.keys, len(self.headings)):
            if len(chosen) > self.keys and used + sizes[column] > width:
                yield self.pick(chosen)
                chosen, used = [*keys], border + sum(sizes[: self.keys])
            chosen.append(column)
            used += sizes[column]
        yield self.pick(chosen)


def _width(text: str) -> int:
    """The characters of the longest line."""
    return max(map(len, text.split("\n")))


Block = Text | Notes | Grid
