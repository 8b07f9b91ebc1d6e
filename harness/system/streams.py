"""The standard streams of a command, which may be closed, full, or read by nobody: that stops no work.

What cannot be written is lost, and remembered: a command that could not print its table ends with status 1.
"""

import io
import os
import select
import sys
from typing import Any, TextIO


class Stream(io.FileIO):
    """A standard stream that accepts every write; `error` is the first error of the system."""

    error: OSError | None = None

    def write(self, content: Any, /) -> int:
        """The number of bytes taken, all of them once there has been an error."""
        while self.error is None:
            try:
                written = super().write(content)
            except OSError as error:
                self.error = error
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # another program made it one that does not wait
        return memoryview(content).nbytes


def take_streams() -> Stream | None:
    """Makes the standard streams of the process safe to write; returns standard output, or None in a test.

    Closed ones are opened first: the next file that is opened would get their number, and all that is printed.
    """
    for number, mode in (
        (0, os.O_RDONLY),
        (1, os.O_RDONLY),
        (2, os.O_WRONLY),
    ):  # so that 1 refuses, and 2 is silent
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (for as long as the process)
    out = Stream(1, "wb", closefd=False) if _is_own(sys.stdout, sys.__stdout__) else None
    if out is not None:
        sys.stdout = _text(out, sys.stdout)
    if _is_own(sys.stderr, sys.__stderr__):
        sys.stderr = _text(Stream(2, "wb", closefd=False), sys.stderr)
    return out


def _is_own(stream: TextIO | None, original: TextIO | None) -> bool:
    """Whether the stream is the process's original one, not a replacement."""
    return stream is None or stream is original


def _text(raw: Stream, before: TextIO | None) -> TextIO:
    """A text stream over `raw` with the encoding of the stream before; letters outside it become \\x or \\u escapes."""
    encoding = before.encoding if before is not None else "utf-8"
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer, encoding, "backslashreplace", line_buffering=True, write_through=raw.isatty()
    )
