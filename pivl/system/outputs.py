"""Files that a person named for a command to write: checked before any work, replaced whole or written to.

What is a regular file, or is not there yet, is written beside its place and renamed; a link stays and its target is
replaced. Anything else that can be written (a terminal, a pipe, /dev/null, the standard streams) is written to.
"""

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pivl.errors import UserError
from pivl.system.files import write_atomically

PATIENCE = 10.0  # seconds that somebody may take to read from a pipe
POLL = 0.05  # seconds between looks at whether somebody does


def check_output(path: Path) -> None:
    """Raise UserError where a file cannot be written at `path`, as far as can be seen without writing it."""
    facts = _facts(path)
    if facts is None:
        check_folder(_real(path).parent)
    elif stat.S_ISDIR(facts.st_mode):
        raise UserError(f"{path} is a folder; name a file")
    elif stat.S_ISBLK(facts.st_mode):
        raise UserError(f"{path} is a disk; name a file")
    elif not os.access(path, os.W_OK) and _standard(facts) is None:
        raise UserError(f"{path} may not be written; change that, or name another file")
    elif stat.S_ISREG(facts.st_mode) and _standard(facts) is None:
        check_folder(_real(path).parent)


def check_folder(folder: Path) -> None:
    """Raise UserError where files cannot be written below `folder`, which need not be there yet."""
    above = folder
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise UserError(f"cannot write below {folder}: {above} is no folder; name another place")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"cannot write below {folder}: {above} may not be written; name another place")


def write_output(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file, and put its content at `path` or send it to what is there. UserError where that fails."""
    check_output(path)
    facts = _facts(path)
    if facts is None:
        write_atomically(_real(path), write)
    elif stat.S_ISREG(facts.st_mode) and _standard(facts) is None:
        write_atomically(_real(path), write, stat.S_IMODE(facts.st_mode))
    else:
        with tempfile.TemporaryDirectory(prefix="pivl-") as folder:
            made = Path(folder) / f"output{path.suffix}"
            write(made)
            _send(made, path, facts)


def write_text_output(path: Path, text: str) -> None:
    """Write `text` there, in UTF-8."""
    write_output(path, lambda file: file.write_text(text, encoding="utf-8"))


def _facts(path: Path) -> os.stat_result | None:
    """Returns what is there, links followed; None where nothing is."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file") from error


def _real(path: Path) -> Path:
    """Returns where the file is or will be: `path` with links followed, also those that point to nothing yet."""
    return Path(os.path.realpath(path))


def _standard(facts: os.stat_result) -> int | None:
    """1 or 2 where this is standard output or error: opened anew it would be cut, or could not be opened at all."""
    for handle in (1, 2):
        try:
            if os.path.samestat(os.fstat(handle), facts):
                return handle
        except OSError:
            continue
    return None


def _send(made: Path, path: Path, facts: os.stat_result) -> None:
    """Copy the content of `made` to what is at `path`."""
    try:
        standard = _standard(facts)
        handle = _open(path) if standard is None else os.dup(standard)
        with open(made, "rb") as source, open(handle, "wb") as target:
            shutil.copyfileobj(source, target)
    except OSError as error:
        why = "nobody reads from it" if error.errno == errno.ENXIO else error.strerror
        raise UserError(f"cannot write {path}: {why}; name another file") from error


def _open(path: Path) -> int:
    """Returns a handle to write to; opening a pipe waits a while for somebody who reads."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(POLL)
        else:
            os.set_blocking(handle, True)
            return handle
