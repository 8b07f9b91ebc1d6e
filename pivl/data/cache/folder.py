"""The user's cache folder: where it is, whether it has room, and one process at a time to fill a place in it."""

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from pivl.errors import UserError
from pivl.system.files import open_regular
from pivl.system.homes import expand_home, home_of, take_substitute

ADVICE = "set PIVL_CACHE to a folder that can take it"


def cache_folder() -> Path:
    """PIVL_CACHE, or `pivl-bench` in the platform's folder for caches; without a home, in a temporary folder."""
    if named := os.environ.get("PIVL_CACHE"):
        return expand_home(named)
    home = home_of() or take_substitute()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "pivl-bench"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "pivl-bench"


def check_room(folder: Path, needed: int) -> None:
    """Raise UserError before any work is done if `folder` cannot take files of `needed` bytes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise UserError(
            f"cannot write the cache folder {folder}: {error.strerror or error}; {ADVICE}"
        ) from error
    if free < needed * 1.02 + 2**20:
        raise UserError(
            f"the cache folder {folder} has {free / 1e6:.0f} MB free, the images need {needed / 1e6:.0f} MB; {ADVICE}"
        )


@contextmanager
def one_at_a_time(path: Path, doing: str) -> Iterator[None]:
    """Let one process at a time make `path`; another waits, after a line on stderr. A killed process lets go.

    What a killed process left of `path` under a temporary name is removed. Where the file system has no locks, nobody
    waits: several then do the same work, and `write_atomically` keeps the file whole. Raises UserError where the lock is
    a link, which would have a file elsewhere opened, or cannot be written.
    """
    import fcntl  # not on Windows

    with _open_lock(path.parent / f".{path.name}.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            print(f"pivl-bench: another process is {doing}; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
            locked = True
        except OSError:
            locked = False
        for left in path.parent.glob(f".{glob.escape(path.name)}.*{path.suffix}") if locked else ():
            left.unlink(missing_ok=True)
        yield


def _open_lock(path: Path) -> BufferedReader:
    """Returns the lock's file, made if need be; nothing is written to it."""
    try:
        return open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise UserError(f"cannot open {path} ({reason}); remove it, or {ADVICE}") from error
