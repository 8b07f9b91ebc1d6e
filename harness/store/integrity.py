"""Examines a results folder: every record, file, note and database against its checksum."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.store import kept_tables
from harness.store.checkpoints import PATTERN, check_task, read_sound
from harness.store.manifest import read_note
from harness.store.record_file import NAME, Record, lacks_weights
from harness.store.records import KINDS, Results
from harness.store.row_index import asked_rows
from harness.store.run import Run
from pivl.system.files import is_abandoned

if TYPE_CHECKING:
    from harness.display.progress import Progress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.display.progress import Progress
    from harness.store.records import Results


VERSION = "alembic_version"  # the table by which MLflow knows its database
BARE = {
    "runs": "no weights; its scores are whole, and run --redo ROW trains it again",
    "stages": "no weights; it is trained again when a run needs it",
}


@dataclass
class Findings:
    """Counts of the files read, by kind, a line for each fault, and one for each folder whose weights were removed."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        read = ", ".join(f"{count} {kind}" for kind, count in self.counts.items()) or "nothing stored"
        bare = f", {len(self.notes)} without weights" if self.notes else ""
        return f"{read}: {len(self.problems) or 'no'} {'problem' if len(self.problems) == 1 else 'problems'}{bare}"

    def count(self, kind: str) -> None:
        """Counts one more file of `kind`."""
        self.counts[kind] = self.counts.get(kind, 0) + 1


def examine(
    root: Path, progress: "Progress", examine_search: Callable[[Path, Results], list[str]]
) -> Findings:
    """Checks all files under the results folder `root` against checksums; `examine_search` reads one search."""
    findings = Findings()
    results = Results(root, findings.problems.append)
    folders = [folder for kind in KINDS for folder in visible(root / kind)]
    for number, folder in enumerate(folders, 1):
        progress.update("results", f"reading, {number} of {len(folders)}")
        _examine_folder(folder, results, findings)
    progress.close()
    read_note(results)
    asked_rows(results)
    _examine_checkpoints(results, findings)
    _examine_searches(results, findings, examine_search)
    for path in kept_tables.changed(results):
        findings.problems.append(f"{path}: it is not as it was written; delete it, and run writes it again")
    findings.problems += _leftovers(results)
    findings.problems += _damaged_database(root / "mlflow.db")
    return findings


def visible(folder: Path) -> list[Path]:
    """The entries of a folder without temporary ones."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _examine_folder(folder: Path, results: Results, findings: Findings) -> None:
    kind = folder.parent.name
    findings.count(kind)
    problems = findings.problems
    before = len(problems)
    record = results.read_record(folder)
    if record is None and len(problems) == before:
        problems.append(f"{folder}: {NAME} is missing; the folder counts as missing")
    if record is None or not results.is_sound(folder, record, record["files"], weightless=True):
        return  # `warn` has taken down why
    if lacks_weights(folder, record):
        findings.notes.append(f"{folder}: {BARE[kind]}")
    if (named := _id_of(record, kind)) not in (None, folder.name):
        problems.append(
            f"{folder}: its recipe, data, weights and seed are those of {named}, not as run wrote them; remove it with "
            f"pivl-bench results rm {folder.name}"
        )
    strangers = {path.name for path in folder.iterdir()} - {*record["files"], NAME}
    problems += [f"{folder / name}: no record names it" for name in sorted(strangers)]
    if kind == "reranked" and not results.run_folder(folder.name).exists():
        problems.append(f"{folder}: the run that it belongs to is not there")


def _id_of(record: Record, kind: str) -> str | None:
    """The id in a record; None if it has none, as for a failure."""
    names = ("recipe", "dataset", "fingerprint", "weights", "seed", "limit_steps", "maps", "student_weights")
    try:
        run = Run.from_json({name: record[name] for name in names if name in record})
        return run.stage_id(record["stage"]) if kind == "stages" else run.id
    except (KeyError, TypeError, ValueError):  # choices that this version does not have
        return None


def _examine_checkpoints(results: Results, findings: Findings) -> None:
    for path in sorted(results.root.glob(f"checkpoints/*/{PATTERN}")):
        findings.count("checkpoints")
        try:
            check_task(read_sound(path), path.parent.name)
        except ValueError as error:
            findings.problems.append(
                f"{path} {error}; run continues from the checkpoint before it, or starts the stage again"
            )


def _examine_searches(
    results: Results, findings: Findings, examine_search: Callable[[Path, Results], list[str]]
) -> None:
    for folder in visible(results.root / "searches"):
        if folder.is_dir():
            findings.count("searches")
            findings.problems += examine_search(folder, results)


def _leftovers(results: Results) -> Iterator[str]:
    """Leftover files of killed processes."""
    for pattern in ("", *(f"{kind}/" for kind in (*KINDS, "tables", "checkpoints/*"))):
        for path in sorted(results.root.glob(f"{pattern}.*@*")):
            if is_abandoned(path):
                yield f"{path}: left half written by a process that was killed; run removes it"
    for owner in results.claims.owners():
        if results.claims.looks_dead(owner):
            yield f"{results.claims.folder / owner.name}: left by {owner}, which has ended; run removes it"


def _damaged_database(path: Path) -> Iterator[str]:
    """The fault of MLflow's database file, as far as visible without MLflow."""
    if not path.exists():
        return
    try:
        found = _read_through(path) if path.is_file() else "it is no file"
    except (sqlite3.Error, ValueError, OverflowError, MemoryError) as error:
        found = str(error)
    if found:
        yield f"{path}: {' '.join(found.split())}; delete it, and MLflow's view is made again from records"


def _read_through(path: Path) -> str:
    """The first fault of a database, every row of which is read; empty where there is none."""
    with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as database:
        (sound,) = database.execute("pragma integrity_check(1)").fetchone()
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for name in tables:
            for _ in database.execute(f'select * from "{name}"'):
                pass
    return str(sound) if sound != "ok" else "" if VERSION in tables else "it is no database of MLflow's"


def folders_of(wanted: Iterable[str], results: "Results") -> list[Path]:
    """The folders of the runs and stages `wanted`, and of those that depend on them.

    Raises UserError for an unknown id.
    """
    from harness.store.records import KINDS

    stored = {
        kind: {folder.name for folder in visible(results.root / kind)} for kind in (*KINDS, "checkpoints")
    }
    wanted = set(wanted)
    for unknown in sorted(wanted - set().union(*stored.values())):
        raise UserError(
            f"{unknown}: no run or stage of {results.root} has this id; pivl-bench plan shows them"
        )
    starts = {run: _starts(run, results) for run in stored["runs"]}
    left = set().union(*(starts[run] for run in starts if run not in wanted))
    unused = set().union(*(starts[run] for run in starts if run in wanted)) - left
    return [
        results.root / kind / name
        for kind, names in stored.items()
        for name in sorted(names & (wanted | unused))
    ]


def _starts(run: str, results: "Results") -> set[str]:
    """The ids of the stages that a stored run starts from."""
    record = results.read_record(results.run_folder(run)) or {}
    return set(record.get("stages", {}).values())
