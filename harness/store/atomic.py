"""Writes folders atomically: whole or absent, even if the process is killed."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pivl.errors import UserError
from pivl.system.files import temporary_prefix


def write_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Writes a folder atomically: `fill` writes into a temporary one, which replaces `folder`.

    Raises UserError, with what stood there untouched, when the disk refuses.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=temporary_prefix(folder)))
        try:
            fill(temporary)
            for path in temporary.iterdir():
                path.chmod(0o644)  # some writers make files that only their owner can read
                _flush(path)
            temporary.chmod(0o755)
            _put(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Removes a folder or file atomically. Raises UserError if the disk refuses."""
    with writing(folder):
        removed = Path(tempfile.mkdtemp(dir=folder.parent, prefix=temporary_prefix(folder)))
        folder.rename(removed / "removed")
        shutil.rmtree(removed)


def check_place(folder: Path) -> None:
    """Raises UserError, as writing into it would, for a folder that cannot be made or written; makes nothing."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with writing(folder):
        if not place.is_dir():
            reason = errno.EEXIST if place == folder else errno.ENOTDIR
            raise OSError(reason, os.strerror(reason))
        if not os.access(place, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into a UserError about `path`."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UserError(
            f"cannot write {path}: {why}; free space or name another folder with --results"
        ) from error


def _put(temporary: Path, folder: Path) -> None:
    """Rename into place; whatever is there, or comes there meanwhile from another process, gives way."""
    try:
        temporary.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        remove_folder(folder)
        temporary.rename(folder)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
