"""Reads record.json and the files that it names, with a reason if they are not as written.

record.json carries the size and SHA-256 of its neighbours, a checksum of itself, and the name of its folder: a folder
that was swapped with another, or copied to another name, holds the record of something else.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pivl.errors import explain
from pivl.system.files import sha256_of
from pivl.system.json_files import load_json

SCHEMA = 1
"""Raised when a record's form changes, or when the method's code changes the numbers that a recipe gives."""

NAME = "record.json"
WEIGHTS = "model.safetensors"  # the one file that may be taken away: scores do without it
RERANKED = "reranked"  # the folder below the results whose records are of runs of another folder

Record = dict[str, Any]
Files = Mapping[str, Callable[[Path], object]]
"""From a file's name to the function that writes it."""


def read(folder: Path) -> Record | None:
    """The record in `folder`; None where there is none. Raises ValueError with the reason where it cannot be believed."""
    try:
        record = load_json(folder / NAME)
        schema, checksum = record["schema"], record.pop("checksum")
        is_whole = checksum == digest(record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{NAME} cannot be read") from error
    if schema != SCHEMA:
        raise ValueError(f"it has schema {schema} and this version reads {SCHEMA}")
    if not is_whole:
        raise ValueError(f"{NAME} is not as it was written")
    if record.get("id") != id_in(folder):
        raise ValueError(f"it holds the record of {record.get('id')}, swapped or copied here")
    return dict(record)


def id_in(folder: Path) -> str:
    """The id that the record in `folder` has."""
    return f"{folder.name}-reranked" if folder.parent.name == RERANKED else folder.name


def lacks_weights(folder: Path, record: Record) -> bool:
    """Whether the weights that `record` was stored with were removed from `folder`, or never copied to it."""
    return WEIGHTS in record["files"] and not os.path.lexists(folder / WEIGHTS)


def check_files(folder: Path, record: Record, hashed: Collection[str], weightless: bool = False) -> None:
    """Raises ValueError with the reason if a file of `record` has another size, or one of `hashed` other content.

    weightless: weights that are not there are no fault; damaged ones are.
    """
    spared = weightless and lacks_weights(folder, record)
    for name, facts in record["files"].items():
        path = folder / name
        if spared and name == WEIGHTS:
            continue
        try:
            if path.stat().st_size != facts["bytes"]:
                raise ValueError(f"{name} is missing or cut")
            if name in hashed and sha256_of(path) != facts["sha256"]:
                raise ValueError(f"{name} is not as it was written")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ValueError(f"{name} is missing or cut") from error
        except OSError as error:
            raise ValueError(f"{name} cannot be read ({explain(error, path)})") from error


def fill(folder: Path, record: Record, files: Files) -> None:
    """Writes `files` into `folder`, and `record` with their sizes and digests."""
    for name, write in files.items():
        write(folder / name)
    paths = {name: folder / name for name in files}
    facts = {name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for name, path in paths.items()}
    complete = {"schema": SCHEMA, **record, "files": facts}
    complete["checksum"] = digest(complete)
    text = json.dumps(complete, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")


def digest(value: Any) -> str:
    """The SHA-256 of a JSON value, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
