"""Finds a trained model by what was typed for it: a run's id, its folder, or a checkpoint."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pivl.errors import UserError
from pivl.system.homes import expand_home

if TYPE_CHECKING:
    from pivl.deployment.model import Deployed

ID = re.compile(r"[0-9a-f]{16}")


def find_model(typed: str, results: Path) -> "Deployed":
    """The model of a run below `results`, of its folder, or of a file that export wrote. Raises UserError."""
    from pivl.deployment.loading import load

    return load(find_place(typed, results))


def find_place(typed: str, results: Path) -> Path:
    """The folder or file that was typed; UserError for an id of which nothing is recorded."""
    path = expand_home(typed)
    if path.exists() or not ID.fullmatch(typed):
        return path
    folder = results / "runs" / typed
    if not folder.is_dir():
        raise UserError(f"{results}: no run has the id {typed}; pivl-bench plan shows them")
    return folder
