"""The commands about a results folder as a whole: whether all of it is as it was written, and removing runs from it."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.folders import remove_folder
from harness.options import debug_option, path_option, setting_options
from pivl.errors import UserError
from pivl.files import is_abandoned

if TYPE_CHECKING:
    from harness.progress import Progress
    from harness.records import Results


@click.group("results")
def results_group() -> None:
    """What is stored: check it, remove from it."""


@results_group.command("check")
@path_option("--results", "results", "Where runs are recorded.")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def check(results: Path, quiet: bool) -> None:
    """Read every stored file and hold it to its checksum; nothing is changed.

    Each fault is a line; exit status 1 if there is one.
    """
    from harness.progress import Progress

    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name one with --results")
    findings = examine(results, Progress.on_stderr(quiet))
    for problem in findings.problems:
        click.echo(problem)
    click.echo(str(findings))
    if findings.problems:
        raise click.exceptions.Exit(1)


@results_group.command("rm")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--study", metavar="NAME", help="All runs of a study; the options below narrow it down, as for table."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@setting_options
def remove(results: Path, ids: tuple[str, ...], study: str | None, yes: bool, **typed: Any) -> None:
    """Remove runs or stages by ID (pivl-bench plan shows them), or all runs of a study, after asking.

    What belongs to them goes too: re-ranked scores, checkpoints, and stages that no other stored run starts from.
    """
    from harness.progress import Progress
    from harness.records import Results

    if not ids and study is None:
        raise UserError("nothing was named; name ids of runs, or a study with --study")
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, lambda text: None)  # what is broken may be removed like the rest
    wanted = {*ids, *(_runs_of(study, typed, store, progress) if study else ())}
    with ExitStack() as claims:
        folders = folders_of(wanted, store)
        for task in sorted({folder.name for folder in folders}):
            claims.enter_context(_claim(task, store))
        if not folders:
            raise UserError(f"{results}: nothing is stored of {study}")
        size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
        what = ", ".join(f"{count} {kind}" for kind, count in _count(folders).items())
        if not yes and not click.confirm(f"Remove {what} ({size / 1e6:.1f} MB) from {results}?", err=True):
            raise click.exceptions.Exit(1)
        for folder in folders:
            remove_folder(folder)
    click.echo(f"removed {what}")


@dataclass
class Findings:
    """What was read, by kind, and what is wrong with it, a line each."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        read = ", ".join(f"{count} {kind}" for kind, count in self.counts.items()) or "nothing stored"
        return f"{read}: {len(self.problems) or 'no'} {'problem' if len(self.problems) == 1 else 'problems'}"


def examine(root: Path, progress: "Progress") -> Findings:
    """Hold everything under the results folder `root` to its checksums."""
    from harness.asked import asked_rows
    from harness.checkpoints import PATTERN, read_sound
    from harness.inputs import read_note
    from harness.records import KINDS, Results

    findings = Findings()
    results = Results(root, findings.problems.append)
    folders = [folder for kind in KINDS for folder in _visible(root / kind)]
    for number, folder in enumerate(folders, 1):
        progress.update("results", f"reading, {number} of {len(folders)}")
        _examine_folder(folder, results, findings)
    progress.close()
    read_note(results)
    asked_rows(results)
    for path in sorted(root.glob(f"checkpoints/*/{PATTERN}")):
        findings.counts["checkpoints"] = findings.counts.get("checkpoints", 0) + 1
        try:
            read_sound(path)
        except ValueError as error:
            findings.problems.append(
                f"{path} {error}; run goes on from the one before it, or begins the stage anew"
            )
    _examine_searches(results, findings)
    findings.problems += _leftovers(results)
    findings.problems += _damaged_database(root / "mlflow.db")
    return findings


def folders_of(wanted: Iterable[str], results: "Results") -> list[Path]:
    """The folders of the runs and stages `wanted`, and of what is of no use without them. UserError for no such id."""
    from harness.records import KINDS

    stored = {
        kind: {folder.name for folder in _visible(results.root / kind)} for kind in (*KINDS, "checkpoints")
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


def _examine_folder(folder: Path, results: "Results", findings: Findings) -> None:
    kind = folder.parent.name
    findings.counts[kind] = findings.counts.get(kind, 0) + 1
    if not (folder / "record.json").exists():
        findings.problems.append(f"{folder}: record.json is missing; the folder counts as missing")
        return
    record = results.read_record(folder)
    if record is None or not results.is_sound(folder, record, hashed=record["files"]):
        return  # `warn` has taken down why
    if record["id"].removesuffix("-reranked") != folder.name:
        findings.problems.append(f"{folder}: it holds the record of {record['id']}")
    strangers = {path.name for path in folder.iterdir()} - {*record["files"], "record.json"}
    findings.problems += [f"{folder / name}: no record names it" for name in sorted(strangers)]
    if kind == "reranked" and not results.run_folder(folder.name).exists():
        findings.problems.append(f"{folder}: the run that it belongs to is not there")


def _examine_searches(results: "Results", findings: Findings) -> None:
    from harness.search.view import contradictions, kept_searches

    for kept in kept_searches(results):  # what cannot be read is said
        findings.counts["searches"] = findings.counts.get("searches", 0) + 1
        findings.problems += [f"{kept.folder}: {line}" for line in contradictions(kept.trials, results)]


def _leftovers(results: "Results") -> Iterator[str]:
    """What killed processes left."""
    from harness.records import KINDS

    for pattern in ("", *(f"{kind}/" for kind in (*KINDS, "tables", "checkpoints/*"))):
        for path in sorted(results.root.glob(f"{pattern}.*@*")):
            if is_abandoned(path):
                yield f"{path}: left half written by a process that was killed; run takes it away"
    for owner in results.claims.owners():
        if results.claims.looks_dead(owner):
            yield f"{results.claims.folder / owner.name}: left by {owner}, which is gone; run takes it away"


def _damaged_database(path: Path) -> Iterator[str]:
    if path.exists():
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                (found,) = database.execute("pragma quick_check(1)").fetchone()
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            yield f"{path}: {' '.join(found.split())}; delete it, and MLflow's view is made again from records"


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _starts(run: str, results: "Results") -> set[str]:
    """The ids of the stages that a stored run starts from."""
    record = results.read_record(results.run_folder(run)) or {}
    return set(record.get("stages", {}).values())


def _runs_of(study: str, typed: dict[str, Any], results: "Results", progress: "Progress") -> list[str]:
    """The ids of the runs of a study that are stored."""
    from harness import conduct
    from harness.precision import settle
    from harness.question import Asked, ask

    question = ask(settle(Asked(study, **typed), results))
    recorded = conduct.read_answer(question, results, progress)
    return [found.id for seeds in recorded.values() for found in seeds.values() if found is not None]


def _claim(task: str, results: "Results") -> Any:
    from harness.claims import Owner

    claim = results.claims.take(task)
    if isinstance(claim, Owner):
        raise UserError(f"{task} is being done by {claim}; nothing was removed")
    return claim


def _count(folders: Iterable[Path]) -> dict[str, int]:
    kinds = [folder.parent.name for folder in folders]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
