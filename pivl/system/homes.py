"""Home folders: what `~` stands for, and what stands in for the home of a user who has none."""

import os
import pwd
import tempfile
from pathlib import Path

from pivl.errors import UserError


def home_of(user: str = "") -> Path | None:
    """The home folder of `user`, or of whoever asks; None where none is known, as in a container without passwd."""
    if not user and (named := os.environ.get("HOME")):
        return None if Path(named) == substitute() else Path(named)
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    except (KeyError, ValueError):
        return None
    return Path(entry.pw_dir)


def substitute() -> Path:
    """Returns a folder of one's own below the temporary ones, for caches of a user without a home."""
    return Path(tempfile.gettempdir()) / f"pivl-bench-{os.getuid()}"


def take_substitute() -> Path:
    """Returns the substitute, made where it is not there yet. UserError where another user has taken its name."""
    folder = substitute()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        mine = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError:
        mine = False
    if not mine:
        raise UserError(
            f"no home folder is known, and {folder} cannot stand in for it; set PIVL_CACHE to a folder"
        )
    return folder


def expand_home(path: str | Path) -> Path:
    """`path` with the home folder in the place of a leading `~` or `~user`. UserError where there is none."""
    text = str(path)
    if not text.startswith("~"):
        return Path(path)
    first, _, rest = text.partition("/")
    home = home_of(first[1:])
    if home is None:
        lacking = (
            f"there is no user {first[1:]}" if first[1:] else "no home folder is known, since HOME is not set"
        )
        raise UserError(f"{text}: {lacking}; write the whole path, or ./{first} for what is called so")
    return home / rest
