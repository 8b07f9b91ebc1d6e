"""A table of rows and seeds in which each cell says how far its run is, drawn to fit the terminal.

A cell has texts from the longest to the shortest; all cells show the longest that leaves room for the whole width. Where
the rows do not fit either, those in which nothing happens are counted instead of shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["waiting", "running", "done", "failed"]

GAP = "  "
LEAST_TITLE = 10  # columns that a row's name keeps at least
ROOM = (
    27,
    10,
    7,
)  # columns of a cell by the length of its text, so that growing numbers do not move the table
WORDS: Mapping[Kind, tuple[str, ...]] = {
    "waiting": ("waiting", "waiting", "."),
    "running": ("starting", "starting", "..."),
    "done": ("done", "done", "ok"),
    "failed": ("FAILED",),
}


@dataclass(frozen=True)
class Cell:
    """The state of a run, as texts from the longest to the shortest."""

    kind: Kind
    texts: tuple[str, ...]

    @classmethod
    def of(cls, kind: Kind, *texts: str) -> "Cell":
        """A cell that says `texts`, or what its kind is called."""
        return cls(kind, texts or WORDS[kind])

    def text(self, level: int) -> str:
        """The text at `level`, 0 the longest; the shortest where it has fewer."""
        return self.texts[min(level, len(self.texts) - 1)]


@dataclass
class Board:
    """The cells by row and seed, both in the order in which they came."""

    cells: dict[str, dict[int, Cell]] = field(default_factory=dict)

    def put(self, row: str, seed: int, cell: Cell) -> None:
        """Sets the cell of `row` at `seed`."""
        self.cells.setdefault(row, {})[seed] = cell

    @property
    def seeds(self) -> list[int]:
        """The seeds of all rows."""
        return sorted({seed for row in self.cells.values() for seed in row})

    def draw(self, width: int, height: int) -> tuple[list[str], bool]:
        """At most `height` lines of at most `width` columns, and whether cells show all that they have to say."""
        level = next((one for one in range(len(ROOM)) if self._needs(one) <= width), len(ROOM) - 1)
        columns = self._columns(level)
        title = max(LEAST_TITLE, width - sum(columns) - len(GAP) * len(columns))
        title = min(title, self._longest())
        shown = self._choose(height - 1)
        lines = [self._line(self._count(), [f"seed {seed}" for seed in self.seeds], title, columns)]
        for row in shown:
            texts = [self._text(row, seed, level) for seed in self.seeds]
            lines.append(self._line(row, texts, title, columns))
        if len(shown) < len(self.cells):
            lines.append(self._rest([row for row in self.cells if row not in shown]))
        return [line[:width].rstrip() for line in lines[: max(0, height)]], level == 0

    def _text(self, row: str, seed: int, level: int) -> str:
        cell = self.cells[row].get(seed)
        return cell.text(level) if cell else ""

    def _columns(self, level: int) -> list[int]:
        """The width of each seed's column."""
        return [
            max(ROOM[level], len(f"seed {seed}"), *(len(self._text(row, seed, level)) for row in self.cells))
            for seed in self.seeds
        ]

    def _needs(self, level: int) -> int:
        columns = self._columns(level)
        return self._longest() + sum(columns) + len(GAP) * len(columns)

    def _longest(self) -> int:
        return max(len(title) for title in (self._count(), *self.cells))

    def _count(self) -> str:
        kinds = [cell.kind for row in self.cells.values() for cell in row.values()]
        return f"{kinds.count('done')} of {len(kinds)}"

    def _line(self, title: str, texts: Sequence[str], room: int, columns: Sequence[int]) -> str:
        name = title if len(title) <= room else title[: room - 1] + "…"
        cells = [text.rjust(column) for text, column in zip(texts, columns, strict=True)]
        return GAP.join([name.ljust(room), *cells])

    def _choose(self, room: int) -> list[str]:
        """The rows that are shown: all, or first those where something happens, then those that wait."""
        if len(self.cells) <= room:
            return list(self.cells)

        def rank(row: str) -> int:
            kinds = {cell.kind for cell in self.cells[row].values()}
            return next(
                place for place, kind in enumerate(("running", "failed", "waiting", "done")) if kind in kinds
            )

        best = sorted(self.cells, key=rank)[: max(0, room - 1)]
        return [row for row in self.cells if row in best]

    def _rest(self, rows: Sequence[str]) -> str:
        cells = [cell.kind for row in rows for cell in self.cells[row].values()]
        counts = [f"{cells.count(kind)} {kind}" for kind in WORDS if kind in cells]
        return f"and {len(rows)} rows more: {', '.join(counts)}"
