"""Reads and writes datasets.json: what was found out about data sets and weights."""

import json
from collections.abc import Mapping
from typing import Any

from harness.store.record_file import digest
from harness.store.records import Results
from pivl.system.files import write_text
from pivl.system.json_files import load_json


def name_maps(fingerprint: str, maps: str) -> str:
    """The key of part maps in datasets.json by their digest; empty for exact maps, which the fingerprint covers."""
    return f"part maps {maps or 'exact'} of {fingerprint}"


NOTE = "datasets.json"


def read_note(results: Results) -> dict[str, dict[str, Any]]:
    """Reads datasets.json, by data set or weights; empty, with a warning, if it was changed."""
    path = results.root / NOTE
    try:
        found = load_json(path)
        if found["checksum"] == digest(found["entries"]):
            return dict(found["entries"])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    results.warn(f"{path}: it is damaged or of another version; run measures again what it noted")
    return {}


def write_note(results: Results, key: str, entry: Mapping[str, Any]) -> None:
    """Writes `entry` under `key` to datasets.json."""
    entries = {**read_note(results), key: entry}
    text = json.dumps({"entries": entries, "checksum": digest(entries)}, indent=2, sort_keys=True)
    write_text(results.root / NOTE, text + "\n")
