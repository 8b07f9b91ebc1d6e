"""JSON files of strangers: read from regular files alone, within bounds, and refused in one line."""

import json
from pathlib import Path
from typing import Any

from pivl.errors import Unreadable, explain
from pivl.system.files import read_bytes

LARGEST_JSON = 2**28  # bytes; a hundred times what any of our notes has
LIMIT = 2**20  # bytes; descriptions have hundreds


def read_json(path: Path, advice: str = "write it again") -> Any:
    """Returns the value in a small JSON file, a description. Raises Unreadable, a UserError, if it is anything else."""
    try:
        return parse_json(read_bytes(path, LIMIT).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(path, explain(error, path).partition(";")[0], advice) from error


def load_json(path: Path) -> Any:
    """Returns the value in a JSON file of at most LARGEST_JSON bytes. Raises OSError, ValueError."""
    return parse_json(read_bytes(path, LARGEST_JSON))


def parse_json(content: bytes | str) -> Any:
    """Returns the JSON value of `content`. Raises ValueError for no JSON, for NaN, and for JSON nested too deeply."""
    try:
        return json.loads(content, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
