"""Stores tables in tables/ with a digest, so that a changed figure is detected."""

import json
from collections.abc import Callable
from pathlib import Path

from harness.store.record_file import digest
from harness.store.records import Results
from pivl.system.files import sha256_of, write_atomically, write_text
from pivl.system.json_files import load_json

NOTE = "checksums.json"


def keep(name: str, write: Callable[[Path], object], results: Results) -> None:
    """Writes the table file `name` by `write`, and its digest. Raises UserError if it cannot be written."""
    path = results.root / "tables" / name
    write_atomically(path, write)
    note(path, results)


def note(path: Path, results: Results) -> None:
    """Notes what the file of a table, just written, is now."""
    sums = {**_noted(path.parent), path.name: sha256_of(path)}
    text = json.dumps({"files": sums, "checksum": digest(sums)}, indent=1, sort_keys=True)
    write_text(path.parent / NOTE, text + "\n")


def changed(results: Results) -> list[Path]:
    """The files of tables that are not as they were written; of what earlier versions wrote nothing is known."""
    folder = results.root / "tables"
    if (folder / NOTE).exists() and not _noted(folder):
        return [folder / NOTE]
    return [path for name, noted in sorted(_noted(folder).items()) if _differs(path := folder / name, noted)]


def _differs(path: Path, noted: str) -> bool:
    try:
        return sha256_of(path) != noted
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _noted(folder: Path) -> dict[str, str]:
    """The digest of each file; of none where the note is not as it was written."""
    try:
        found = load_json(folder / NOTE)
        if found["checksum"] == digest(found["files"]):
            return {str(name): str(value) for name, value in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return {}
