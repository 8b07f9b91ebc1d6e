"""What a person sees while work is going on, all of it on stderr.

On a terminal one line per running piece of work, redrawn in place; otherwise a plain line each every ten
seconds; nothing but warnings where it was asked to be quiet.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

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
    _drawn: int = 0
    _shown_at: float = 0.0

    @classmethod
    def on_stderr(cls, quiet: bool) -> "Progress":
        """Live when stderr is a terminal that can move its cursor."""
        live = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
        return cls(sys.stderr, live and not quiet, quiet, _shown_at=time.monotonic())

    def update(self, name: str, text: str) -> None:
        """Set the line of the running piece of work `name`; shown when it is time to."""
        if self.quiet:
            return
        self._lines[name] = f"{name}: {text}"
        elapsed = time.monotonic() - self._shown_at
        if self.live and elapsed >= DRAW_INTERVAL:
            self._draw()
        elif not self.live and elapsed >= PLAIN_INTERVAL:
            self._shown_at = time.monotonic()
            self.stream.write("".join(f"{line}\n" for line in self._lines.values()))
            self.stream.flush()

    def count(self, name: str, doing: str) -> Callable[[int, int], None]:
        """A report of pictures done and their total, shown as the line of `name` with rate and time left."""
        began = time.monotonic()

        def report(done: int, total: int) -> None:
            elapsed = time.monotonic() - began
            left = duration(elapsed * (total - done) / done)
            rate = done / elapsed
            self.update(name, f"{doing}, {done} of {total} pictures, {rate:.3g} images/s, {left} left")

        return report

    def finish(self, name: str, text: str) -> None:
        """Take the line of `name` away and say how it ended."""
        self._lines.pop(name, None)
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
        """Take the running lines away, whatever became of the work."""
        self._lines.clear()
        self._erase()
        self.stream.flush()

    def _say(self, text: str) -> None:
        self._erase()
        self.stream.write(f"{text}\n")
        self._draw() if self.live else self.stream.flush()

    def _draw(self) -> None:
        self._erase()
        width = shutil.get_terminal_size().columns - 1
        for line in self._lines.values():
            self.stream.write(f"{line[:width]}\n")
        self.stream.flush()
        self._drawn = len(self._lines)
        self._shown_at = time.monotonic()

    def _erase(self) -> None:
        if self._drawn:
            self.stream.write(f"\x1b[{self._drawn}A\x1b[J")  # up that many lines, then clear to the end
            self._drawn = 0


def describe_step(event: Mapping[str, object]) -> str:
    """A step event of harness.execute: `image-tower, epoch 3/8, identity 1.20, 265 images/s, 12 s left`."""
    terms = event["terms"]
    assert isinstance(terms, dict)
    shown = [f"{event['stage']}, epoch {event['epoch']}/{event['epochs']}"]
    shown += [f"{name.replace('_', '-')} {value:.3f}" for name, value in terms.items()]
    return ", ".join([*shown, f"{event['rate']:.0f} images/s", f"{duration(event['left'])} left"])


def duration(seconds: object) -> str:
    """Seconds as a person says them: `42 s`, `3 min 10 s`, `2 h 05 min`."""
    assert isinstance(seconds, int | float)
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
