"""Files that are either whole or absent, whatever kills the process that writes them."""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from pivl.errors import UserError
from pivl.system.processes import Process, this_process

ABANDONED = (
    3600.0  # seconds after which nobody still writes a temporary file whose process cannot be looked for
)


def write_atomically(path: Path, write: Callable[[Path], object], mode: int = 0o644) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk and rename it to `path`, with `mode`.

    Raises UserError, leaving what stood at `path` untouched, when the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=temporary_prefix(path), suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free space or name another folder"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def open_regular(path: Path, flags: int = 0) -> BufferedReader:
    """Open a file for reading in bytes if it is an ordinary one; a fifo or a device would be waited for without end.

    `flags` are further ones of os.open. Raises OSError with a strerror, whatever is wrong with the path.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o644)
    except ValueError as error:  # a NUL, or letters that no file has
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return open(number, "rb")


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Returns the content of a regular file. Raises OSError, and ValueError for one of more than `limit` bytes."""
    with open_regular(path) as file:
        content = file.read() if limit is None else file.read(limit + 1)
    if limit is not None and len(content) > limit:
        raise ValueError(f"it has more than {limit // 2**20} MB")
    return content


def temporary_prefix(path: Path) -> str:
    """Returns how the name begins under which this process fills what will be `path`; the name says whose it is."""
    return f".{path.name}.@{this_process()}@"


def remove_abandoned(folder: Path) -> None:
    """Remove what processes that are gone left half written in `folder`."""
    for left in folder.glob(".*"):
        with suppress(FileNotFoundError):  # another command may be done with it this very moment
            if is_abandoned(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def is_abandoned(temporary: Path) -> bool:
    """Returns whether the process that was filling `temporary` is gone, or must be by its age."""
    _, _, rest = temporary.name.partition("@")
    process = Process.parse(rest.rpartition("@")[0])
    if process is not None and process.is_here:
        return process.is_gone
    return time.time() - temporary.stat().st_mtime > ABANDONED


def check_regular(path: Path, what: str, advice: str) -> None:
    """Raise UserError where there is no `what` at `path`, or something that is no file: a folder, a fifo, a device."""
    try:
        there, regular, folder = path.exists(), path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        there = regular = folder = False
    if not regular:
        kind = " (it is a folder)" if folder else " (it is no regular file)" if there else ""
        raise UserError(f"{path}: no such {what}{kind}; {advice}")


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal. Raises OSError, also for what is no regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
