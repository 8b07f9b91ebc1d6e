"""Lists and tables as text files, read line by line: what cannot be a line of one is named by its number."""

import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from pivl.errors import UserError, explain
from pivl.system.files import open_regular

LONGEST = 100_000  # characters of a line: no list has more
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape leaves of other bytes
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def read_lines(file: Path, advice: str) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line of `file` that is not blank, without its end.

    Raises UserError, one line that names the file: with `advice` where it cannot be read or is no regular file, and with
    the row where that is no UTF-8, has control characters or is over-long.
    """
    try:
        with TextIOWrapper(open_regular(file), "utf-8-sig", "surrogateescape") as text:
            for number, line in enumerate(iter(lambda: text.readline(LONGEST + 1), ""), 1):
                _check(f"{file.name}: row {number}", line)
                if line.strip():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise UserError(f"cannot read {file} ({explain(error, file)}); {advice}") from error


def _check(where: str, line: str) -> None:
    if len(line) > LONGEST:
        raise UserError(
            f"{where} has more than {LONGEST:,} characters, which no list has; get the file again"
        )
    if NOT_UTF8.search(line):
        raise UserError(f"{where} is no UTF-8; save the file as text in UTF-8")
    if strange := CONTROL.search(line):
        raise UserError(f"{where} has the character {strange[0]!r}, which no name has; correct it")
