"""What runs start from, by name: data sets and checkpoints, and the digests of both, which name runs.

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
from pivl.errors import UserError
from pivl.files import sha256_of, write_text

if TYPE_CHECKING:
    from pivl.data.pictures import Split
    from pivl.people.benchmark import SynthpedConfig

NOTE = "datasets.json"
CHECKPOINTS = {"tiny": Path(pivl.__file__).parent / "people" / "tiny_clip.safetensors"}
"""From a recipe's backbone to the CLIP that comes with the package."""


def find_checkpoint(backbone: str) -> Path:
    """The weights that runs of `backbone` start from; UserError where there are none."""
    path = CHECKPOINTS[choose("backbone", backbone, CHECKPOINTS)]
    if not path.exists():
        raise UserError(f"{path} is missing; pivl-bench pretrain makes it in half an hour")
    return path


def checkpoint_digest(backbone: str) -> str:
    """The SHA-256 of those weights."""
    return sha256_of(find_checkpoint(backbone))


def find_config(name: str) -> "SynthpedConfig":
    """The embedded data set `name`; UserError with the known names and the nearest."""
    from pivl.people.benchmark import VARIANTS

    return VARIANTS[choose("data set", name, VARIANTS)]


def load(name: str, progress: Progress) -> "Split":
    """The data set, rendered into the user's cache where it is not there yet."""
    from pivl.people import benchmark

    report = progress.count(name, "rendering into the cache, once")
    try:
        return benchmark.load(find_config(name), report=report)
    finally:
        progress.close()


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
