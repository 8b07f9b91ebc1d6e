"""How a study is conducted: what is still to do of a question, doing it, and the table of what is recorded."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.experiment.experiment import Question
from harness.plan import departures, preparation
from harness.plan.forecast import Asker, Campaign, Spot, draw_up
from harness.plan.planner import Plan, make_plan
from harness.plan.refusals import check_ahead
from harness.plan.task import Cell
from harness.plan.throughput import Measured
from harness.report.plan import brief
from harness.store.records import Failed, Finished, Results
from harness.system.devices import foresee_device
from harness.tracking import refresh

if TYPE_CHECKING:
    from harness.analysis.table import Table
from harness.launch.launcher import Options, launch
from harness.plan.preparation import _askers, _carry_over, _check, _find, _foresee, _lay_out, _noted, _prepare

Recorded = Mapping[str, Mapping[int, Finished | Failed | None]]
"""What is recorded of each row, by name, at each seed."""


def read_answer(question: Question, results: Results, progress: Progress) -> Recorded:
    """What is recorded of the rows of the question's table; where its data are found see `find_cells`."""
    return read_cells(question, find_cells(question, results, progress), results)


def find_cells(question: Question, results: Results, progress: Progress) -> list[Cell]:
    """The cells of the question's table.

    A data set is looked at where a folder of it is given, and else taken as runs noted it.
    """
    found = {
        one: _noted(question, one, results, progress) or _find(question, one, results, progress)
        for one in question.all_inputs(question.shown)
    }
    _carry_over(question, question.shown, found, results, progress)
    return _lay_out(question, question.shown, found, results)


def read_cells(question: Question, cells: Sequence[Cell], results: Results) -> Recorded:
    """What is recorded of `cells`, re-ranked or not as the question has it."""
    read = results.read_reranked if question.rerank else results.read_run
    recorded: dict[str, dict[int, Finished | Failed | None]] = {}
    for cell in cells:
        recorded.setdefault(cell.row, {})[cell.run.seed] = read(cell.run.id)
    return recorded


def answer(questions: Sequence[Question], results: Results, progress: Progress, options: Options) -> None:
    """Do what is still to do of the questions, and record it; what several of them need is done once."""
    if options.scheduler is not None:
        from harness.launch.dask_cluster import check_scheduler

        check_scheduler(options.scheduler)
    askers = [
        asker
        for question in questions
        for asker in _prepare(question, results, progress, options.retry_failed)
    ]
    plan = make_plan([one.cell for one in askers], results, options.retry_failed, questions[0].rerank)
    how_far, *details = brief(_draw_up(questions, askers, plan, results, options))
    for line in (how_far, *(details if plan.tasks else ())):
        progress.note(line)
    if plan.tasks:
        with ThreadPoolExecutor(1) as beside:  # MLflow takes as long to load as the workers do
            if options.mlflow and any(map(preparation.is_shown, questions)):
                beside.submit(refresh.prepare, results, progress)
            launch(plan, results, progress, options)


def survey(questions: Sequence[Question], results: Results, progress: Progress, options: Options) -> Campaign:
    """What the questions come to; starts nothing, and renders no pictures to learn the ids of runs."""
    askers: list[Asker] = []
    identified = True
    for question in questions:
        found = {one: _noted(question, one, results, progress) for one in question.all_inputs(question.rows)}
        identified = identified and all(data or not one.is_embedded for one, data in found.items())
        known = {one: data or _foresee(question, one, results, progress) for one, data in found.items()}
        _carry_over(question, question.rows, known, results, progress)
        check_ahead(question, known, results, progress)
        asked = _askers(question, known, results)
        own = make_plan([one.cell for one in asked], results, options.retry_failed, question.rerank)
        if own.tasks:
            _check(question, own, known, results)
        askers += asked
    plan = make_plan([one.cell for one in askers], results, options.retry_failed, questions[0].rerank)
    return _draw_up(questions, askers, plan, results, options, identified)


def _draw_up(
    questions: Sequence[Question], askers: Sequence[Asker], plan: Plan, results: Results, options: Options,
    identified: bool = True,
) -> Campaign:  # fmt: skip
    device, slots = foresee_device(options.device) if plan.tasks else ("no device", 1)
    spot = Spot(device, options.jobs or slots, Measured.read(results, device))
    return draw_up([question.name for question in questions], askers, plan, results, spot, identified)


def make_table(question: Question, recorded: Recorded, results: Results) -> "Table":
    """The table of what is recorded; what is not says so in its place."""
    from harness.analysis import columns as columns_module
    from harness.analysis import comparison
    from harness.analysis.table import Setting

    outcomes = {row: {seed: _say(run) for seed, run in seeds.items()} for row, seeds in recorded.items()}
    rows = tuple(row for row in question.study.rows if row.name in question.shown)
    notes = [note for note in (_inequality(question), _random_starts(recorded)) if note]
    runs = [run for seeds in recorded.values() for run in seeds.values()]
    partial, unsure = departures.find_partial(question, runs, results)
    setting = Setting(
        "" if partial or unsure else question.published,
        question.printed,
        "; ".join(notes),
        departures.changed(question),
        partial,
        departures.describe(question, partial, unsure),
    )
    study, warning = replace(question.study, rows=rows), question.preset.warning
    columns = columns_module.find_columns(study.columns, recorded, results)
    return comparison.build(study, question.setting, outcomes, warning, setting, columns)


def _inequality(question: Question) -> str:
    """What else but their own changes tells the rows of the two methods apart, as a note; empty: nothing."""
    ours, theirs = (
        asdict(question.base.recipes[method]) | dict(question.changes) for method in ("PI-VL", "CLIP-ReID")
    )
    named = [f"{name} {ours[name]} instead of {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if not named:
        return ""
    return f"as the paper says, rows of PI-VL also have {', '.join(named)}; --set FIELD=VALUE makes all rows equal"


def _random_starts(recorded: Recorded) -> str:
    """That students had no weights to start from, as a note; empty where they had, or where there are none."""
    runs = [run for seeds in recorded.values() for run in seeds.values() if isinstance(run, Finished)]
    if not any(run.record.get("student_weights") == "" for run in runs):
        return ""
    return "students start from random weights, not from ImageNet's; --student-weights FILE names them"


def _say(run: Finished | Failed | None) -> Finished | str:
    """A run that is there, or why it is not, as a table says it after "seed 1 "."""
    if run is None:
        return "missing"
    if isinstance(run, Failed):
        return f"failed: {run.error}"
    steps = run.record.get("limit_steps")
    return f"is a trial of {steps} steps per stage, no result" if steps else run
