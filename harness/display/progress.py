"""Displays progress on stderr while tasks run.

On a terminal a table of rows and seeds and a line per other piece of work, redrawn in place; otherwise a plain line
each every ten seconds; nothing but warnings where it was asked to be quiet.
"""

import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from harness.display.status_table import Board, Cell, Kind
from harness.display.text import duration

PLAIN_INTERVAL = 10.0  # seconds between plain lines
DRAW_INTERVAL = 0.2  # seconds between redraws; more often only costs time


@dataclass
class Progress:
    """The state of the display; `live` redraws in place, `quiet` shows warnings only."""

    stream: TextIO
    live: bool
    quiet: bool
    _lines: dict[str, str] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)
    _board: Board = field(default_factory=Board)
    _places: dict[str, tuple[str, int]] = field(default_factory=dict)
    _drawn: Sequence[str] = ()
    _shown_at: float = 0.0

    @classmethod
    def on_stderr(cls, quiet: bool) -> "Progress":
        """Live when stderr is a terminal that can move its cursor."""
        live = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
        return cls(sys.stderr, live and not quiet, quiet, _shown_at=time.monotonic())

    @classmethod
    def unseen(cls) -> "Progress":
        """A display that nobody sees."""
        return cls(io.StringIO(), live=False, quiet=True)

    def lay_out(self, places: Mapping[str, tuple[str, int]]) -> None:
        """Shows the pieces of work that `places` names in a table, each in its row and under its seed."""
        self._places = dict(places)
        self._board = Board()
        for row, seed in places.values():
            self._board.put(row, seed, Cell.of("waiting"))

    def update(self, name: str, text: str, *shorter: str) -> None:
        """Sets the line of the running piece of work `name`; a table has room for what is `shorter`, longest first."""
        if self.quiet:
            return
        self._lines[name] = f"{name}: {text}"
        self._put(name, "running", *(shorter or (text,)))
        elapsed = time.monotonic() - self._shown_at
        if self.live and elapsed >= DRAW_INTERVAL:
            self._draw()
        elif not self.live and elapsed >= PLAIN_INTERVAL:
            self._shown_at = time.monotonic()
            self.stream.write("".join(f"{line}\n" for line in self._lines.values()))
            self.stream.flush()

    @contextmanager
    def at_work(self, name: str, doing: str) -> Iterator[None]:
        """Shows what is being done to `name` at once, and while the block runs; a plain line says it once."""
        self._lines[name] = f"{name}: {doing}"
        if self.live:
            self._draw()
        else:
            self.note(self._lines[name])
            self._shown_at = time.monotonic()
        try:
            yield
        finally:
            self._lines.pop(name, None)
            if self.live:
                self._draw()

    def count(self, name: str, doing: str) -> Callable[[int, int], None]:
        """A report of pictures done and their total, shown as the line of `name` with rate and time left."""
        began = time.monotonic()

        def report(done: int, total: int) -> None:
            elapsed = time.monotonic() - began
            left = duration(elapsed * (total - done) / done)
            rate = done / elapsed
            self.update(name, f"{doing}, {done} of {total} images, {rate:.3g} images/s, {left} left")

        return report

    def wait(self, name: str, *texts: str) -> None:
        """Removes the line of the task `name`, which is waiting again; its table cell shows `texts`."""
        self._lines.pop(name, None)
        self._put(name, "waiting", *texts)

    def finish(self, name: str, text: str, kind: Kind = "done", *shorter: str) -> None:
        """Removes the line of the task `name` and shows its outcome."""
        self._lines.pop(name, None)
        self._put(name, kind, *shorter)
        self.note(f"{name}: {text}")

    def note(self, text: str) -> None:
        """A line that stays, unless quiet."""
        if not self.quiet:
            self._say(text)

    def warn(self, text: str) -> None:
        """A line that stays, quiet or not; once, however many come upon the same thing."""
        if text not in self._warned:
            self._warned.add(text)
            self._say(f"warning: {text}")

    def close(self) -> None:
        """Removes the table and all task lines."""
        self._lines.clear()
        self.lay_out({})
        self.stream.write(self._erasure())
        self.stream.flush()

    def _put(self, name: str, kind: Kind, *texts: str) -> None:
        if name in self._places:
            self._board.put(*self._places[name], Cell.of(kind, *texts))

    def _say(self, text: str) -> None:
        self.stream.write(f"{self._erasure()}{text}\n")
        self._draw() if self.live else self.stream.flush()

    def _draw(self) -> None:
        """Draws the display in one write, so that it does not flicker, one line shorter than the terminal."""
        width, height = shutil.get_terminal_size()
        lines = self._picture(width - 1, height - 1)
        self.stream.write(self._erasure() + "".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self._drawn, self._shown_at = lines, time.monotonic()

    def _picture(self, width: int, height: int) -> list[str]:
        """The lines to draw: the table, then a line for each running task that the table shows incompletely."""
        others = [line for name, line in self._lines.items() if name not in self._places]
        if self._places:
            running = [line for name, line in self._lines.items() if name in self._places]
            table, tells_all = self._board.draw(width, height - len(others))
            if not tells_all:
                others = [*running, *others]
                table, _ = self._board.draw(width, max(height // 2, height - len(others)))
            others = [*table, *others]
        return [line[:width] for line in others[:height]]

    def _erasure(self) -> str:
        """The control sequence that erases the lines drawn last, including lines that a narrower terminal wrapped."""
        if not self._drawn:
            return ""
        width = shutil.get_terminal_size().columns
        rows = sum(max(1, -(-len(line) // width)) for line in self._drawn)
        self._drawn = ()
        return f"\r\x1b[{rows}A\x1b[J"  # to the first column, where ^C may have been echoed; up; clear to the end
