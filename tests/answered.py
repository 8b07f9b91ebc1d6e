"""Questions that are answered without training: their data set noted, their runs recorded with drawn scores."""

from collections.abc import Sequence

from harness import inputs
from harness.inputs import Found
from harness.plan import Cell, lay_out
from harness.question import Question
from harness.records import Results
from tests.recorded import write_finished

FOUND = Found("0" * 12, "")


def note_data(question: Question, results: Results) -> None:
    """Let the question's data set be known, so that nothing has to be rendered."""
    for one in question.all_inputs(question.shown):
        inputs.note(one, question.size, FOUND, results)


def cells_of(question: Question, results: Results) -> list[Cell]:
    """The cells of the question's table."""
    found = dict.fromkeys(question.all_inputs(question.shown), FOUND)
    return lay_out(question, question.shown, found, inputs.weights_digest(question.inputs, results))


def record_all(questions: Sequence[Question], results: Results) -> list[Cell]:
    """Record a finished run for every cell of the questions, and note their data sets; the cells."""
    for question in questions:
        note_data(question, results)
    cells = [cell for question in questions for cell in cells_of(question, results)]
    for cell in cells:
        write_finished(results, cell.run, cell.run.seed)
    return cells
