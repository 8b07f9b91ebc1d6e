"""Finds the precision of results that are there, which `--precision auto` takes: no table waits for two kinds."""

from collections.abc import Callable

from harness.experiment.experiment import Experiment
from harness.store.records import Results
from harness.store.row_index import asked_rows

Precisions = Callable[[Experiment], str | None]
"""From an experiment, of which everything but the precision is known, to the precision that its results are in."""


def recorded_precisions(results: Results) -> Precisions:
    """Returns a function to the precision in which `results` has an experiment's data set with its backbone.

    A folder that was filled on another machine thus has its tables here, and what it lacks is done alike. The function
    returns None where there is nothing, or where there are several precisions.
    """
    rows = asked_rows(results)

    def find(experiment: Experiment) -> str | None:
        backbone = experiment.base.recipes["paper"].backbone
        choices = [row.choices for row in rows if row.dataset == experiment.dataset]
        had = {one["precision"] for one in choices if one["backbone"] == backbone}
        return had.pop() if len(had) == 1 else None

    return find
