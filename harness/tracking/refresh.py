"""MLflow beside a run: what was asked is noted, and shown there. What goes wrong with it costs a line and no result."""

import os
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.store.claims import Owner
from harness.store.records import Results
from harness.store.row_index import asked_rows
from pivl.errors import UserError, first_line
from pivl.system.extras import MissingExtra, need

if TYPE_CHECKING:
    from harness.tracking.place import Place
    from harness.tracking.view import ShownExperiment


PATIENCE = 120.0  # seconds that another command may take to show what it has
POLL = 0.5  # seconds between looks at whether it is done


def prepare(results: Results, progress: Progress) -> None:
    """Makes the database where there is none yet, before runs begin: whoever looks on finds it, and so does the end."""
    if os.environ.get("MLFLOW_TRACKING_URI") or (results.root / "mlflow.db").exists():
        return
    try:
        client = _client()
        with _alone(results):
            client.connect(results)
    except MissingExtra:  # said by `show`, once
        return
    except Exception as error:
        progress.warn(f"MLflow will not be synced ({first_line(error)}); --no-mlflow skips it")


def show(tables: Container[str], results: Results, progress: Progress) -> None:
    """Syncs MLflow with the records of the rows of `tables`, by name."""
    show_experiments(lambda: _asked(tables, results), results, progress)


def show_experiments(
    read: "Callable[[], Sequence[ShownExperiment]]", results: Results, progress: Progress
) -> None:
    """Syncs MLflow with the experiments that `read` returns."""
    progress.update("MLflow", "syncing records")
    try:
        added, place = _sync(read(), results)
        progress.close()
        if added:
            progress.note(f"MLflow: {added} runs added; look at them {place.how_to_look}")
    except MissingExtra as error:
        progress.close()
        progress.warn(
            f"{error} and pivl-bench mlflow sync show there what is recorded; --no-mlflow leaves this line out"
        )
    except Exception as error:
        progress.close()
        progress.warn(
            f"MLflow was not synced ({first_line(error)}); the results are recorded all the same, and "
            "pivl-bench mlflow sync catches up"
        )


def show_all(results: Results, searches: "Sequence[ShownExperiment]" = ()) -> str:
    """Syncs MLflow with all records and with `searches`; returns a summary line. Raises UserError."""
    rows = asked_rows(results)
    if not rows and not searches:
        raise UserError(f"{results.root}: no runs here yet; pivl-bench run STUDY makes some")
    try:
        added, place = _sync([*_asked(None, results), *searches], results)
    except MissingExtra:
        raise
    except Exception as error:
        raise UserError(f"MLflow was not synced: {first_line(error)}") from error
    placed = {run for row in rows for run in row.runs.values()}
    placed |= {
        child.run or child.id for search in searches for parent in search.parents for child in parent.children
    }
    strays = sum(
        record["id"] not in placed and "limit_steps" not in record for _, record in results.records("runs")
    )
    unknown = (
        f"; {strays} runs are of no study that was asked for here: pivl-bench run STUDY says which"
        if strays
        else ""
    )
    return f"MLflow at {place.shown}: {added} runs added{unknown}"


def _asked(tables: "Container[str] | None", results: Results) -> "list[ShownExperiment]":
    """The experiments of the requested rows of `tables`, or of all."""
    from harness.tracking.view import show_rows

    rows = [row for row in asked_rows(results) if tables is None or row.table in tables]
    return show_rows(rows, results)


def _sync(experiments: "Sequence[ShownExperiment]", results: Results) -> "tuple[int, Place]":
    from harness.tracking.place import place_of

    client = _client()
    with _alone(results):
        return client.sync(experiments, results), place_of(results)


def _client() -> ModuleType:
    """The one module that imports mlflow, which it first tells not to report. Raises MissingExtra."""
    return need("harness.tracking.mlflow_client", "mlflow", "MLflow")


@contextmanager
def _alone(results: Results) -> Iterator[None]:
    """Locks the sync of these results for one process. Raises TimeoutError if another takes too long."""
    end = time.monotonic() + PATIENCE
    while isinstance(claim := results.claims.take("mlflow"), Owner):
        if time.monotonic() > end:
            raise TimeoutError(f"{claim} is still at it")
        time.sleep(POLL)
    with claim:
        yield
