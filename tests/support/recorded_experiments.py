"""Questions that are answered without training: their data set noted, their runs recorded with drawn scores."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.experiment.experiment import Experiment
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity, student_weights
from harness.inputs.spec import DataIdentity, Inputs
from harness.plan import preparation
from harness.plan.planner import cells_of
from harness.plan.task import Cell
from harness.report import markdown, study_table
from harness.store import manifest
from harness.store.records import Results
from tests.support.bmp_people import QUIET
from tests.support.recorded_runs import complain, write_failed, write_finished, write_stage

LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")  # than the files of a test
FOUND = DataIdentity("0" * 12, "")
MAPS_SCORE = {"mean": 50, "low": 40, "high": 60, "error": 5, "each": 45, "deviation": 9}


def found_of(experiment: Experiment) -> dict[Inputs, DataIdentity]:
    """A data set whose part maps, where they are not its own, are called by their source."""
    rows = [row.name for row in experiment.study.rows]
    return {
        one: replace(FOUND, fingerprint=f"{one.world:012}", maps=one.part_maps or "")
        for one in experiment.all_inputs(rows)
    }


def note_data(experiment: Experiment, results: Results) -> None:
    """Let the question's data set be known, so that nothing has to be rendered, and how good its maps are."""
    for one, data in found_of(experiment).items():
        identity.remember(one, experiment.size, data, results)
        manifest.write_note(results, manifest.name_maps(data.fingerprint, data.maps or ""), MAPS_SCORE)


def drawn_cells(experiment: Experiment, results: Results) -> list[Cell]:
    """The cells of the question's table."""
    weights = identity.weights_digest(experiment.inputs, results)
    student = student_weights.weights_digest(experiment.inputs, experiment.student, results)
    return cells_of(experiment, experiment.shown, found_of(experiment), weights, student)


def record_all(experiments: Sequence[Experiment], results: Results) -> list[Cell]:
    """Record a finished run for every cell of the questions, and note their data sets; the cells."""
    for experiment in experiments:
        note_data(experiment, results)
    cells = [cell for experiment in experiments for cell in drawn_cells(experiment, results)]
    for cell in cells:
        write_finished(results, cell.run, cell.run.seed + 1000 * cell.inputs.world)
    return cells


def record_rows(folder: Path, dataset: str, **settings: str) -> Path:
    """Record runs of the ablation on a data set, which say where that lies; the results folder."""
    results = Results(folder, complain)
    experiment = resolve(Request("ablation", dataset=dataset, **settings))
    note_data(experiment, results)
    for cell in drawn_cells(experiment, results):
        inputs = {**asdict(cell.inputs), "called": cell.inputs.called}
        write_finished(results, cell.run, cell.run.seed, inputs=inputs)
    return folder


def former_cells(experiment: Experiment, results: Results) -> list[Cell]:
    """The cells as they were named by sizes."""
    found = preparation.find_data(experiment, experiment.inputs, results, QUIET)
    return preparation.lay_out(experiment, experiment.shown, {experiment.inputs: found.former}, results)


def record_before(
    experiment: Experiment, results: Results, date: str = LATER, write: Callable[..., Path] = write_finished
) -> list[Cell]:
    """Store what a version that hashed sizes would have stored of the experiment; its cells."""
    cells = former_cells(experiment, results)
    for cell in cells:
        facts = {**asdict(cell.inputs), "called": cell.inputs.called}
        signature = f"mAP|people@{cell.run.fingerprint[:6]}|q12"
        write(
            results,
            cell.run,
            **({} if write is write_failed else {"inputs": facts, "date": date, "signature": signature}),
        )
        for stage in cell.run.recipe.stages()[:-1]:
            write_stage(results, cell.run, stage, inputs=facts, date=date, stages={})
    return cells


def keep_table(experiment: Experiment, results: Results) -> str:
    """Keep the table as run does; its text."""
    cells = preparation.find_cells(experiment, results, QUIET)
    recorded = study_table.read_cells(experiment, cells, results)
    assert study_table.is_complete(experiment, recorded)
    table = study_table.make_table(experiment, recorded, results)
    study_table.keep_table(table, experiment, cells, results)
    return markdown.markdown(table)
