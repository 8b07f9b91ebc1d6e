"""Optuna's journal of a search, guarded: a changed, lost, moved or foreign line is found whenever it is read.

Behind every entry stands a sum over the sum before it and all that was written since, so that no line can change
without the next ones saying so. What an earlier version wrote without sums is covered by the first that follows.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

from pivl.errors import UserError, explain
from pivl.system.files import open_regular
from pivl.system.json_files import parse_json

SUM = re.compile(rb',"sum":"([0-9a-f]{16})"}\n$')
REMEDY = "restore it from a copy, or remove its folder to start again"


class GuardedJournal(BaseJournalBackend):
    """The journal at a path, one entry a line; UserError, naming the file, as soon as it is not as it was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._entries: list[dict[str, Any]] = []
        self._place = 0  # bytes that were read, all of them whole lines
        self._since = b""  # the last sum and what came after it
        self._is_guarded = False  # whether a line with a sum has been read
        if not os.path.lexists(path):
            path.touch()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from that number on; half a line at the end is none yet."""
        self._read_on()
        yield from self._entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes entries to the end, in the place of what a killed process or a full disk left half there."""
        with self._alone():
            self._read_on()
            before, lines = self._since, []
            for log in logs:
                body = json.dumps(log, separators=(",", ":")).encode()[:-1]
                lines.append(body + b',"sum":"' + (before := _sum(before + body)) + b'"}\n')
            with open(self._path, "r+b") as file:
                file.truncate(self._place)
                file.seek(self._place)
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())

    def _read_on(self) -> None:
        """Reads the entries written since the last call."""
        try:
            with open_regular(self._path) as file:
                file.seek(self._place)
                content = file.read()
        except OSError as error:
            raise UserError(
                f"{self._path} cannot be read ({explain(error, self._path)}); {REMEDY}"
            ) from error
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            self._take(line)
            self._place += len(line)

    def _take(self, line: bytes) -> None:
        """Checks and adds one line. Raises UserError if it was changed."""
        match = SUM.search(line)
        body = line[: match.start()] if match else line
        try:
            if (match and _sum(self._since + body) != match[1]) or (not match and self._is_guarded):
                raise ValueError("not as it was written")
            entry = dict(parse_json(line))
        except (ValueError, TypeError) as error:
            number = len(self._entries) + 1
            raise UserError(
                f"{self._path} cannot be read (line {number} is not as it was written); {REMEDY}"
            ) from error
        entry.pop("sum", None)
        self._entries.append(entry)
        self._since = match[1] if match else self._since + line
        self._is_guarded = self._is_guarded or match is not None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks the journal for one process, also on file systems without locks."""
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
