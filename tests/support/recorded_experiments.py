"""Questions that are answered without training: their data set noted, their runs recorded with drawn scores."""

from collections.abc import Sequence
from dataclasses import replace

from harness.experiment.experiment import Question
from harness.inputs import identity, student_weights
from harness.inputs.spec import Found, Inputs
from harness.plan.planner import lay_out
from harness.plan.task import Cell
from harness.store import manifest
from harness.store.records import Results
from tests.support.recorded_runs import write_finished

FOUND = Found("0" * 12, "")
MAPS_SCORE = {"mean": 50, "low": 40, "high": 60, "error": 5, "each": 45, "deviation": 9}


def found_of(question: Question) -> dict[Inputs, Found]:
    """A data set whose part maps, where they are not its own, are called by their source."""
    rows = [row.name for row in question.study.rows]
    return {one: replace(FOUND, maps=one.part_maps or "") for one in question.all_inputs(rows)}


def note_data(question: Question, results: Results) -> None:
    """Let the question's data set be known, so that nothing has to be rendered, and how good its maps are."""
    for one, data in found_of(question).items():
        identity.note(one, question.size, data, results)
        manifest.write_note(results, manifest.name_maps(data.fingerprint, data.maps or ""), MAPS_SCORE)


def cells_of(question: Question, results: Results) -> list[Cell]:
    """The cells of the question's table."""
    weights = identity.weights_digest(question.inputs, results)
    student = student_weights.weights_digest(question.inputs, question.student, results)
    return lay_out(question, question.shown, found_of(question), weights, student)


def record_all(questions: Sequence[Question], results: Results) -> list[Cell]:
    """Record a finished run for every cell of the questions, and note their data sets; the cells."""
    for question in questions:
        note_data(question, results)
    cells = [cell for question in questions for cell in cells_of(question, results)]
    for cell in cells:
        write_finished(results, cell.run, cell.run.seed)
    return cells
