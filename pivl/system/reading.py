"""JSON of strangers: read from regular files alone and within bounds, and whatever is none is one ValueError."""

import json
from pathlib import Path
from typing import Any

from pivl.system.files import open_regular

LARGEST_JSON = 2**28  # bytes; a hundred times what any of our notes has


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. Raises OSError."""
    with open_regular(path) as file:
        return file.read()


def read_json(path: Path) -> Any:
    """The JSON value in a file. Raises OSError, and ValueError for whatever is none."""
    with open_regular(path) as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError(f"it has more than {LARGEST_JSON // 2**20} MB")
    return parse_json(content)


def parse_json(content: bytes | str) -> Any:
    """The JSON value that `content` is. Raises ValueError for what is none, is nested too deeply, or has NaN in it."""
    try:
        return json.loads(content, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
