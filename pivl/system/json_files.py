"""JSON files of strangers: small, flat enough and of sane numbers, or one line."""

import json
from pathlib import Path
from typing import Any

from pivl.errors import Unreadable, explain
from pivl.system.files import open_regular

LIMIT = 2**20  # bytes; descriptions have hundreds


def read_json(path: Path, limit: int = LIMIT, advice: str = "write it again") -> Any:
    """The value in a JSON file of at most `limit` bytes. Raises Unreadable, a UserError, if it is anything else."""
    try:
        with open_regular(path) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"more than {limit} bytes")
        return json.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits, too
        raise Unreadable(path, explain(error, path).partition(";")[0], advice) from error
