"""Data sets by name, for the commands: loaded, or only their fingerprint, which names runs.

The fingerprint of a rendered data set needs its pictures, and those need torch. A note in the results folder
keeps it beside a digest of the code that renders, so that a study with nothing left to do is shown in a second.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pivl
from harness.choose import choose
from harness.progress import Progress
from harness.records import Results
from pivl.files import write_text

if TYPE_CHECKING:
    from pivl.data.pictures import Split
    from pivl.people.benchmark import SynthpedConfig

NOTE = "datasets.json"


def find_config(name: str) -> "SynthpedConfig":
    """The embedded data set `name`; UserError with the known names and the nearest."""
    from pivl.people.benchmark import VARIANTS

    return VARIANTS[choose("data set", name, VARIANTS)]


def load(name: str, progress: Progress) -> "Split":
    """The data set, rendered into the user's cache where it is not there yet."""
    from pivl.people import benchmark

    config = find_config(name)

    def report(done: int, total: int) -> None:
        progress.update(name, f"rendering, {done} of {total} pictures (once; kept in the cache)")

    split = benchmark.load(config, report=report)
    progress.close()
    return split


def noted_fingerprint(name: str, results: Results) -> str | None:
    """The fingerprint that `note_fingerprint` kept for the code as it is now, or None."""
    try:
        note = json.loads((results.root / NOTE).read_text(encoding="utf-8"))
        entry = note.get(name, {})
        return str(entry["fingerprint"]) if entry.get("code") == _code_digest() else None
    except (OSError, ValueError, AttributeError):
        return None


def note_fingerprint(name: str, fingerprint: str, results: Results) -> None:
    """Keep the fingerprint of `name` for the code as it is now."""
    path = results.root / NOTE
    try:
        note = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        note = {}  # only a note: what it held is found out again
    note[name] = {"code": _code_digest(), "fingerprint": fingerprint}
    write_text(path, json.dumps(note, indent=2, sort_keys=True) + "\n")


def _code_digest() -> str:
    """A hash over every source file that may decide the pictures of an embedded data set."""
    root = Path(pivl.__file__).parent
    digest = hashlib.sha256()
    for path in [
        root / "streams.py",
        *sorted((root / "data").glob("*.py")),
        *sorted((root / "people").glob("*.py")),
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
