"""MLflow beside a run: what was asked is noted, and shown there. What goes wrong with it costs a line and no result."""

import os
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.asked import AskedRow, asked_rows, note_rows
from harness.claims import Owner
from harness.departures import describe_runs, name_files
from harness.plan import Cell
from harness.progress import Progress
from harness.question import Question
from harness.records import Results
from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.tracking_place import Place
    from harness.views import Experiment

ABSENT = "the package mlflow is not installed"
PATIENCE = 120.0  # seconds that another command may take to show what it has
POLL = 0.5  # seconds between looks at whether it is done


def is_shown(question: Question) -> bool:
    """Whether its runs are results as they were recorded first, not trials nor re-ranked ones."""
    return not (question.limit_steps or question.rerank)


def note_asked(question: Question, cells: Sequence[Cell], results: Results) -> None:
    """Keep which rows the question asked for and the runs that answer them."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    asked = [
        AskedRow(
            table=question.name,
            dataset=question.dataset,
            fingerprint=of_row[0].run.fingerprint,
            row=row,
            title=of_row[0].title,
            changed=dict(question.changes),
            choices=of_row[0].run.recipe.choices(),
            runs={cell.run.seed: cell.run.id for cell in of_row},
            file=name_files(question, cells, results),
            apart=describe_runs(question, of_row[0].partial),
        )
        for row, of_row in rows.items()
    ]
    note_rows(asked, results)


def prepare(results: Results, progress: Progress) -> None:
    """Make the database where there is none yet, before runs begin: whoever looks on finds it, and so does the end."""
    if os.environ.get("MLFLOW_TRACKING_URI") or (results.root / "mlflow.db").exists():
        return
    try:
        from harness import tracking

        with _alone(results):
            tracking.connect(results)
    except Exception as error:
        progress.warn(
            f"MLflow will not be brought up to date ({_reason(error)}); --no-mlflow leaves it alone"
        )


def show(questions: Sequence[Question], results: Results, progress: Progress) -> None:
    """Bring MLflow up to date with what is recorded for the rows of `questions`."""
    names = {question.name for question in questions}
    show_experiments(lambda: _asked(names, results), results, progress)


def show_experiments(
    read: "Callable[[], Sequence[Experiment]]", results: Results, progress: Progress
) -> None:
    """Bring MLflow up to date with the experiments that `read` gives."""
    progress.update("MLflow", "bringing it up to date")
    try:
        added, place = _sync(read(), results)
        progress.close()
        if added:
            progress.note(f"MLflow: {added} runs added; look at them {place.how_to_look}")
    except Exception as error:
        progress.close()
        progress.warn(
            f"MLflow was not brought up to date ({_reason(error)}); the results are recorded all the same, and "
            "pivl-bench mlflow sync catches up"
        )


def show_all(results: Results) -> str:
    """Bring MLflow up to date with everything that is recorded; what was done, in a line. UserError if it cannot be."""
    from harness.search.view import kept_searches, show_search

    rows, searches = asked_rows(results), kept_searches(results)
    if not rows and not searches:
        raise UserError(f"{results.root}: nothing was asked for here yet; pivl-bench run STUDY does that")
    try:
        added, place = _sync(
            [*_asked(None, results), *(show_search(one, results) for one in searches)], results
        )
    except Exception as error:
        raise UserError(f"MLflow was not brought up to date: {_reason(error)}") from error
    placed = {run for row in rows for run in row.runs.values()}
    placed |= {trial.run for one in searches for trial in one.trials if trial.run}
    strays = sum(
        record["id"] not in placed and "limit_steps" not in record for _, record in results.records("runs")
    )
    unknown = (
        f"; {strays} runs are of no study that was asked for here: pivl-bench run STUDY says which"
        if strays
        else ""
    )
    return f"MLflow at {place.shown}: {added} runs added{unknown}"


def _asked(tables: "Container[str] | None", results: Results) -> "list[Experiment]":
    """What was asked for of `tables`, or of all."""
    from harness.views import show_rows

    rows = [row for row in asked_rows(results) if tables is None or row.table in tables]
    return show_rows(rows, results)


def _sync(experiments: "Sequence[Experiment]", results: Results) -> "tuple[int, Place]":
    from harness import tracking
    from harness.tracking_place import place_of

    with _alone(results):
        return tracking.sync(experiments, results), place_of(results)


@contextmanager
def _alone(results: Results) -> Iterator[None]:
    """One process at a time, of all that work on these results. TimeoutError where another takes too long."""
    end = time.monotonic() + PATIENCE
    while isinstance(claim := results.claims.take("mlflow"), Owner):
        if time.monotonic() > end:
            raise TimeoutError(f"{claim} is still at it")
        time.sleep(POLL)
    with claim:
        yield


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "mlflow":
        return ABSENT
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
