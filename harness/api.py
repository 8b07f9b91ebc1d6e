"""How a study is conducted: what is still to do of a experiment, doing it, and the table of what is recorded."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.plan import departures, preparation
from harness.plan.forecast import Forecast, Host, RequestedCell, forecast
from harness.plan.planner import Plan, make_plan
from harness.plan.refusals import check_ahead
from harness.plan.task import Cell
from harness.plan.throughput import Throughput
from harness.report.plan import brief
from harness.store.records import Failed, Finished, Results
from harness.system.devices import device_without_torch
from harness.tracking import refresh

if TYPE_CHECKING:
    from harness.analysis.table import Table
from harness.launch.launcher import Options, launch
from harness.plan.preparation import _askers, _carry_over, _check, _find, _foresee, _lay_out, _noted, _prepare

Outcomes = Mapping[str, Mapping[int, Finished | Failed | None]]
"""What is recorded of each row, by name, at each seed."""


def read_outcomes(experiment: Experiment, results: Results, progress: Progress) -> Outcomes:
    """What is recorded of the rows of the experiment's table; where its data are found see `find_cells`."""
    return read_cells(experiment, find_cells(experiment, results, progress), results)


def find_cells(experiment: Experiment, results: Results, progress: Progress) -> list[Cell]:
    """The cells of the experiment's table.

    A data set is looked at where a folder of it is given, and else taken as runs noted it.
    """
    found = {
        one: _noted(experiment, one, results, progress) or _find(experiment, one, results, progress)
        for one in experiment.all_inputs(experiment.shown)
    }
    _carry_over(experiment, experiment.shown, found, results, progress)
    return _lay_out(experiment, experiment.shown, found, results)


def read_cells(experiment: Experiment, cells: Sequence[Cell], results: Results) -> Outcomes:
    """What is recorded of `cells`, re-ranked or not as the experiment has it."""
    read = results.read_reranked if experiment.rerank else results.read_run
    recorded: dict[str, dict[int, Finished | Failed | None]] = {}
    for cell in cells:
        recorded.setdefault(cell.row, {})[cell.run.seed] = read(cell.run.id)
    return recorded


def answer(experiments: Sequence[Experiment], results: Results, progress: Progress, options: Options) -> None:
    """Do what is still to do of the experiments, and record it; what several of them need is done once."""
    if options.scheduler is not None:
        from harness.launch.dask_cluster import check_scheduler

        check_scheduler(options.scheduler)
    requested = [
        asker
        for experiment in experiments
        for asker in _prepare(experiment, results, progress, options.retry_failed)
    ]
    plan = make_plan([one.cell for one in requested], results, options.retry_failed, experiments[0].rerank)
    how_far, *details = brief(_draw_up(experiments, requested, plan, results, options))
    for line in (how_far, *(details if plan.tasks else ())):
        progress.note(line)
    if plan.tasks:
        with ThreadPoolExecutor(1) as beside:  # MLflow takes as long to load as the workers do
            if options.mlflow and any(map(preparation.is_shown, experiments)):
                beside.submit(refresh.prepare, results, progress)
            launch(plan, results, progress, options)


def survey(
    experiments: Sequence[Experiment], results: Results, progress: Progress, options: Options
) -> Forecast:
    """What the experiments come to; starts nothing, and renders no pictures to learn the ids of runs."""
    requested: list[RequestedCell] = []
    identified = True
    for experiment in experiments:
        found = {
            one: _noted(experiment, one, results, progress) for one in experiment.all_inputs(experiment.rows)
        }
        identified = identified and all(data or not one.is_embedded for one, data in found.items())
        known = {one: data or _foresee(experiment, one, results, progress) for one, data in found.items()}
        _carry_over(experiment, experiment.rows, known, results, progress)
        check_ahead(experiment, known, results, progress)
        asked = _askers(experiment, known, results)
        own = make_plan([one.cell for one in asked], results, options.retry_failed, experiment.rerank)
        if own.tasks:
            _check(experiment, own, known, results)
        requested += asked
    plan = make_plan([one.cell for one in requested], results, options.retry_failed, experiments[0].rerank)
    return _draw_up(experiments, requested, plan, results, options, identified)


def _draw_up(
    experiments: Sequence[Experiment], requested: Sequence[RequestedCell], plan: Plan, results: Results, options: Options,
    identified: bool = True,
) -> Forecast:  # fmt: skip
    device, slots = device_without_torch(options.device) if plan.tasks else ("no device", 1)
    host = Host(device, options.jobs or slots, Throughput.read(results, device))
    return forecast(
        [experiment.name for experiment in experiments], requested, plan, results, host, identified
    )


def make_table(experiment: Experiment, recorded: Outcomes, results: Results) -> "Table":
    """The table of what is recorded; what is not says so in its place."""
    from harness.analysis import columns as columns_module
    from harness.analysis import comparison
    from harness.analysis.table import Setting

    outcomes = {row: {seed: _say(run) for seed, run in seeds.items()} for row, seeds in recorded.items()}
    rows = tuple(row for row in experiment.study.rows if row.name in experiment.shown)
    notes = [note for note in (_inequality(experiment), _random_starts(recorded)) if note]
    runs = [run for seeds in recorded.values() for run in seeds.values()]
    partial, unsure = departures.find_partial(experiment, runs, results)
    setting = Setting(
        "" if partial or unsure else experiment.published,
        experiment.printed,
        "; ".join(notes),
        departures.changed(experiment),
        partial,
        departures.describe(experiment, partial, unsure),
    )
    study, warning = replace(experiment.study, rows=rows), experiment.preset.warning
    columns = columns_module.find_columns(study.columns, recorded, results)
    return comparison.build(study, experiment.setting, outcomes, warning, setting, columns)


def _inequality(experiment: Experiment) -> str:
    """What else but their own changes tells the rows of the two methods apart, as a note; empty: nothing."""
    ours, theirs = (
        asdict(experiment.base.recipes[method]) | dict(experiment.changes)
        for method in ("PI-VL", "CLIP-ReID")
    )
    named = [f"{name} {ours[name]} instead of {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if not named:
        return ""
    return f"as the paper says, rows of PI-VL also have {', '.join(named)}; --set FIELD=VALUE makes all rows equal"


def _random_starts(recorded: Outcomes) -> str:
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
    return f"test run (--limit-steps {steps}), scores not reported" if steps else run
