"""Indexes the runs of each table row beside the records, from which MLflow's view is rebuilt.

A run does not know who asked for it: it is named by what it is, and may stand in several tables. So whoever is
answered leaves a line for each row in asked.jsonl. Lines are only ever added, in one piece, so that several commands
may do so at once; each has a checksum, and what a killed one leaves half is passed over.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.store.atomic import writing
from harness.store.record_file import digest
from harness.store.records import Results
from pivl.errors import explain
from pivl.system.files import read_bytes
from pivl.system.json_files import parse_json

NOTE = "asked.jsonl"
SAID = 5  # broken lines that are said one by one


@dataclass(frozen=True)
class AskedRow:
    """A requested table row and its runs by seed.

    table: its study, and whatever is not as usual. dataset, fingerprint: what it was asked of. changed: what was typed to
    change every recipe; rows that differ in it are two. choices: those of its recipe. file: the name of the files
    of the table that it stood in last; empty in old lines: `table`. apart: what sets its runs apart from the study's own.
    """

    table: str
    dataset: str
    fingerprint: str
    row: str
    title: str
    changed: Mapping[str, Any]
    choices: Mapping[str, Any]
    runs: Mapping[int, str]
    file: str = ""
    apart: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A key that is equal for requests of one row with any seeds."""
        return _text(replace(self, runs={}, title="", file="", apart={}))


def note_rows(rows: Sequence[AskedRow], results: Results) -> None:
    """Writes `rows` to the index, unless they are there already. Raises UserError if it cannot be written."""
    path = results.root / NOTE
    with writing(path):
        before = _content(path)
        known = set(before.splitlines())
        new = [line for line in map(_line, rows) if line not in known]
        if new:
            start = b"" if before.endswith(b"\n") or not before else b"\n"
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                os.write(handle, start + b"".join(line + b"\n" for line in new))
            finally:
                os.close(handle)


def asked_rows(results: Results) -> list[AskedRow]:
    """Every requested row, with all its seeds, in the order of first request.

    What is not as it was written is left out with a warning.
    """
    path = results.root / NOTE
    rows: dict[str, AskedRow] = {}
    broken: list[int] = []
    try:
        lines = _content(path).splitlines()
    except OSError as error:
        results.warn(
            f"{path} cannot be read ({explain(error, path)}); remove it, and run STUDY writes it again"
        )
        return []
    for number, line in enumerate(lines, 1):
        row = _parse(line)
        if row is None:
            broken.append(number)
            continue
        before = rows.get(row.key)
        rows[row.key] = replace(row, runs={**before.runs, **row.runs}) if before else row
    for number in broken[:SAID]:
        results.warn(f"{path}: line {number} is not as it was written; run STUDY writes it again")
    if broken[SAID:]:
        results.warn(f"{path}: {len(broken[SAID:])} more lines are damaged")
    return list(rows.values())


def _content(path: Path) -> bytes:
    """The content of the index; empty without a file. Raises OSError for any other kind of file."""
    try:
        return read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _line(row: AskedRow) -> bytes:
    value = json.loads(_text(row))  # in JSON's types, as it will be read
    return json.dumps({"asked": value, "checksum": digest(value)}, sort_keys=True).encode()


def _parse(line: bytes) -> AskedRow | None:
    try:
        found = parse_json(line)
        value = found["asked"]
        if found["checksum"] == digest(value):
            return AskedRow(**{**value, "runs": {int(seed): run for seed, run in value["runs"].items()}})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return None


def _text(row: AskedRow) -> str:
    """The row as JSON text; fields that old lines lack are left out if empty, so that keys stay the same."""
    value = {name: one for name, one in asdict(row).items() if one or name not in ("file", "apart")}
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
