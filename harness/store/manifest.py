"""Reads and writes datasets.json: what was found out about data sets and weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.store.records import Results

if TYPE_CHECKING:
    pass
import json
from typing import TYPE_CHECKING

from harness.store.record_file import digest
from pivl.system.files import write_text
from pivl.system.reading import read_json

if TYPE_CHECKING:
    pass


def name_maps(fingerprint: str, maps: str) -> str:
    """What a note calls part maps of a digest; the exact ones are covered by the fingerprint and have none."""
    return f"part maps {maps or 'exact'} of {fingerprint}"


NOTE = "datasets.json"


def read_note(results: Results) -> dict[str, dict[str, Any]]:
    """What is noted, by data set or weights; nothing, with a warning, where the note is not as it was written."""
    path = results.root / NOTE
    try:
        found = read_json(path)
        if found["checksum"] == digest(found["entries"]):
            return dict(found["entries"])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    results.warn(f"{path}: it is not as this version wrote it; what it noted is found out again by run")
    return {}


def write_note(results: Results, key: str, entry: Mapping[str, Any]) -> None:
    """Keep `entry` under `key` beside the others."""
    entries = {**read_note(results), key: entry}
    text = json.dumps({"entries": entries, "checksum": digest(entries)}, indent=2, sort_keys=True)
    write_text(results.root / NOTE, text + "\n")
