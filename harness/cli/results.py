"""The commands about a results folder as a whole: whether all of it is as it was written, and removing runs from it."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.options import (
    DEVICES,
    GroupedCommand,
    collect,
    debug_option,
    path_option,
    quiet_option,
    setting_options,
)
from harness.experiment.request import Request
from harness.store.atomic import remove_folder, writing
from harness.store.record_file import WEIGHTS
from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.display.progress import Progress
    from harness.store.records import Results
from harness.store.integrity import folders_of


@click.group("results")
def results_group() -> None:
    """List or check stored results, measure their health, or remove some."""


@results_group.command("check")
@path_option("--results", "results", "Where runs are recorded.")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def check(results: Path, quiet: bool) -> None:
    """Compare every stored file with its checksum; nothing is changed.

    Each fault is a line; exit status 1 if there is one. Removed weights are a note, not a fault.
    """
    from harness.display.progress import Progress
    from harness.search.agreement import examine_search
    from harness.store.integrity import examine

    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name one with --results")
    findings = examine(results, Progress.on_stderr(quiet), examine_search)
    for line in (*findings.problems, *(f"note: {one}" for one in findings.notes)):
        click.echo(line)
    click.echo(str(findings))
    if findings.problems:
        raise click.exceptions.Exit(1)


@results_group.command("list")
@path_option("--results", "results", "Where runs are recorded.")
@click.option("--runs", is_flag=True, help="A line per run, with the id that extract, export and rm take.")
@debug_option
def list_stored(results: Path, runs: bool) -> None:
    """List what is stored: rows with their seeds, the newest date, what was changed, and the size.

    Failed seeds stand in brackets. Methods of other code, by compare, evaluate or --with, stand under external.
    """
    from harness.report.grid import grid, number
    from harness.store.contents import list_contents, list_runs
    from harness.store.records import Results

    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name one with --results")
    store = Results(results, lambda text: click.echo(f"warning: {text}", err=True))
    if runs:
        head = ["Run", "Table", "Row", "Seed", "State", "mAP"]
        rows = [
            [
                one.id,
                one.table,
                one.row,
                str(one.seed),
                one.state,
                "-" if one.mean_ap is None else number(one.mean_ap, 1),
            ]
            for one in list_runs(store)
        ]
    else:
        head = ["Table", "Row", "Data", "Seeds", "Date", "Changed", "Size"]
        rows = [
            [
                one.table,
                one.row,
                one.dataset,
                one.seeds,
                one.date,
                one.changed or "-",
                f"{one.bytes / 1e6:.1f} MB",
            ]
            for one in list_contents(store)
        ]
    if not rows:
        raise UserError(f"{results}: nothing is stored; pivl-bench run STUDY does")
    click.echo(grid(head, rows, left=tuple(range(6))))


@results_group.command("measure")
@path_option("--results", "results", "Where runs are recorded.")
@click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True, help="Where to measure."
)
@quiet_option("count")
@debug_option
def measure(results: Path, device: str, quiet: bool) -> None:
    """Measure whether texts and alignment took hold, for runs recorded before that was part of a run.

    Nothing is trained: stored models and stages are read, their data must be where they were, and the figures are added
    to the records. What cannot be measured is a line; exit status 1 if there is one.
    """
    from harness.display.progress import Progress
    from harness.execution.health import measure_stored, unmeasured
    from harness.store.records import Results
    from harness.system.devices import choose_device

    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name one with --results")
    progress = Progress.on_stderr(quiet)
    store, failures, chosen = Results(results, progress.warn), 0, choose_device(device)
    records = unmeasured(store)
    for number, record in enumerate(records, 1):
        progress.update("health", f"measuring, {number} of {len(records)}")
        try:
            with _claim(record["id"], store):
                measure_stored(record, store, chosen)
        except UserError as error:
            progress.warn(str(error))
            failures += 1
    progress.close()
    click.echo(f"measured {len(records) - failures} of {len(records)} runs that had no health")
    if failures:
        raise click.exceptions.Exit(1)


@collect(request=Request)
@results_group.command("rm", cls=GroupedCommand)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--study",
    type=completion.STUDY,
    metavar="NAME",
    default="",
    help="All runs of a study; the options below narrow it down, as for table.",
)
@click.option("--only-weights", is_flag=True, help="Only trained weights: scores stay, so tables do, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@setting_options
def remove(request: Request, results: Path, ids: tuple[str, ...], only_weights: bool, yes: bool) -> None:
    """Remove runs or stages by ID (pivl-bench plan shows them), or all runs of a study, after asking.

    What belongs to them is removed, too: re-ranked scores, checkpoints, and stages that no other stored run starts
    from. With --only-weights nothing but model.safetensors of the runs is removed; run --redo ROW trains them again.
    """
    from harness.display.progress import Progress
    from harness.store.records import Results

    if not ids and not request.study:
        raise UserError("nothing to remove; name run ids, or --study NAME")
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, lambda text: None)  # what is broken may be removed like the rest
    wanted = {*ids, *(_runs_of(request, store, progress) if request.study else ())}
    with ExitStack() as claims:
        folders = folders_of(wanted, store)
        for task in sorted({folder.name for folder in folders}):
            claims.enter_context(_claim(task, store))
        if only_weights:
            folders = [one for one in folders if one.parent.name == "runs" and (one / WEIGHTS).exists()]
        if not folders:
            kind = "no weights are stored" if only_weights else "nothing is stored"
            raise UserError(f"{results}: {kind} of {request.study or ', '.join(ids)}")
        doomed = [folder / WEIGHTS for folder in folders] if only_weights else folders
        size = sum(map(_size, doomed))
        what = ("weights of " if only_weights else "") + _count(folders)
        if not yes and not click.confirm(f"Remove {what} ({size / 1e6:.1f} MB) from {results}?", err=True):
            raise click.exceptions.Exit(1)
        for path in doomed:
            _discard(path)
    click.echo(f"removed {what}")


def _runs_of(request: Request, results: "Results", progress: "Progress") -> list[str]:
    """The ids of the runs of a study that are stored."""
    from harness.experiment.resolve import resolve
    from harness.report.study_table import read_outcomes

    recorded = read_outcomes(resolve(request, results), results, progress)
    return [found.id for seeds in recorded.values() for found in seeds.values() if found is not None]


def _claim(task: str, results: "Results") -> Any:
    from harness.store.claims import Owner

    claim = results.claims.take(task)
    if isinstance(claim, Owner):
        raise UserError(f"{task} is being done by {claim}; nothing was removed")
    return claim


def _count(folders: Iterable[Path]) -> str:
    kinds = [folder.parent.name for folder in folders]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _size(place: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    return sum(path.stat().st_size for path in (place, *place.rglob("*")) if path.is_file())


def _discard(place: Path) -> None:
    """Removes a folder or a file of one, whole or not at all. Raises UserError if the disk refuses."""
    with writing(place):
        place.unlink() if place.is_file() else remove_folder(place)
