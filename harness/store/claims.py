"""Claims: one owner per task, among all commands that share a results folder, on one machine or several.

A claim is an empty file. Its name says the task, the process that does it and since when; its date is that process's
heartbeat. So it is there at once with all that it says, and nothing in it can be half written or damaged. Who takes
a task puts his claim down first and then looks for others: of two that come at the same time at least one sees the
other and gives way. The name of a dead process's claim is never used again, so removing it never takes away a live
one's. None of this needs locks, which shared file systems may lack, nor clocks that agree.
"""

import os
import random
import stat
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from harness.store.atomic import writing
from pivl.system.files import open_regular
from pivl.system.processes import Process, is_number, this_process

STALE = 60.0  # seconds without a heartbeat after which an owner on another machine counts as dead
BEATS = 12  # heartbeats in that time
TRIES = 4  # looks at a task that another has, since two who come together both give way
PAUSE = 0.05  # seconds at most between them


@dataclass(frozen=True)
class Owner:
    """The owner of a task, with the start in seconds of its own clock."""

    task: str
    process: Process
    since: int

    @property
    def name(self) -> str:
        """The name of its claim."""
        return f"{self.task}@{self.process}@{self.since}"

    @classmethod
    def parse(cls, name: str) -> "Owner | None":
        """The owner whose claim has this name; None where it is no claim."""
        match name.split("@"):
            case [task, process, since] if (found := Process.parse(process)) and is_number(since):
                return cls(task, found, int(since))
        return None

    def __str__(self) -> str:
        who = f"process {self.process.number} on {self.process.host}"
        try:
            return f"{who} since {datetime.fromtimestamp(self.since):%Y-%m-%d %H:%M}"
        except (ValueError, OverflowError, OSError):  # a year that no clock shows
            return who


@dataclass
class Claim:
    """A task that is this process's own until the `with` block ends; a thread keeps up its heartbeat."""

    path: Path
    beat: float
    _ended: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread = field(default_factory=threading.Thread)

    def __enter__(self) -> Self:
        self._heart = threading.Thread(target=self._live, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._heart.join()
        self.path.unlink(missing_ok=True)

    def _live(self) -> None:
        while not self._ended.wait(self.beat):
            try:
                os.utime(self.path)
            except FileNotFoundError:  # it slept so long that another command took it for dead
                print(f"{self.path.name}: taken over by another command", file=sys.stderr, flush=True)
                os._exit(1)
            except OSError:
                continue  # a file server that is away for a moment


@dataclass(frozen=True)
class Claims:
    """The claims in a folder."""

    folder: Path
    stale: float = STALE

    def take(self, task: str) -> Claim | Owner:
        """Claims the task, or returns its owner. Raises UserError if the folder cannot be written."""
        mine, living = Owner(task, this_process(), int(time.time())), None
        if (self.folder / mine.name).exists():
            return mine  # it took the task within this very second
        for _ in range(TRIES):
            path = self._put_down(mine)
            others = [other for other in self.owners(task) if other != mine]
            living = next((other for other in others if not self._has_died(other, path)), None)
            if living is None:
                for other in others:
                    self._remove(other)
                return Claim(path, self.stale / BEATS)
            path.unlink(missing_ok=True)
            time.sleep(random.uniform(0, PAUSE))
        assert living is not None
        return living

    def owner(self, task: str) -> Owner | None:
        """The owner of `task` now, judged without waiting."""
        return next((owner for owner in self.owners(task) if not self.looks_dead(owner)), None)

    def owners(self, task: str = "*") -> list[Owner]:
        """The owners that claimed `task`, or any task, alive or dead."""
        found = [Owner.parse(path.name) for path in self.folder.glob(f"{task}@*") if _is_file(path)]
        return sorted((owner for owner in found if owner), key=lambda owner: owner.since)

    def looks_dead(self, owner: Owner) -> bool:
        """Whether the owner's process is gone or, on another machine, its heartbeat has long stopped.

        One dated in the future was left by a clock that went wrong: a living owner's would be dated anew.
        """
        if owner.process.is_here:
            return owner.process.is_gone
        beat = self._beat(owner)
        return beat is None or abs(self._now() - beat) > self.stale

    def sweep(self) -> None:
        """Removes the claims of processes that were killed on this machine."""
        for owner in self.owners():
            if owner.process.is_gone:
                self._remove(owner)

    def leave(self) -> None:
        """Releases all claims of this process, for one that is interrupted."""
        for owner in self.owners():
            if owner.process == this_process():
                self._remove(owner)

    def _put_down(self, mine: Owner) -> Path:
        path = self.folder / mine.name
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            path.touch()
        return path

    def _has_died(self, other: Owner, mine: Path) -> bool:
        """Whether the owner is dead, as `looks_dead`, but watches a stopped heartbeat for a while: clocks may jump."""
        if other.process.is_here or not self.looks_dead(other):
            return other.process.is_gone
        before = self._beat(other)
        end = time.monotonic() + 2 * self.stale / BEATS
        while time.monotonic() < end:
            os.utime(mine)
            time.sleep(self.stale / BEATS / 2)
        return self._beat(other) == before

    def _beat(self, owner: Owner) -> float | None:
        """The date of the last heartbeat by the file server's clock; None where the claim is gone."""
        with (
            suppress(OSError),
            open_regular(self.folder / owner.name) as claim,
        ):  # opened, so that no cache answers
            return os.fstat(claim.fileno()).st_mtime
        return None

    def _now(self) -> float:
        """The time by the clock that dates heartbeats: that of the file server."""
        with suppress(OSError), tempfile.TemporaryFile(dir=self.folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
        return time.time()

    def _remove(self, owner: Owner) -> None:
        path = self.folder / owner.name
        with writing(path):
            path.unlink(missing_ok=True)


def _is_file(path: Path) -> bool:
    """Whether a claim may be this: an ordinary file, no link, folder or pipe of somebody else's."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
