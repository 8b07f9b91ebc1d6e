"""Refuses or warns before data are decoded or trained on, for run and plan."""

from collections.abc import Mapping

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs import identity
from harness.inputs.spec import DataIdentity, Inputs
from harness.store.records import Results
from pivl.data.datasets.enough import check_enough


def check_ahead(
    experiment: Experiment, found: Mapping[Inputs, DataIdentity], results: Results, progress: Progress
) -> None:
    """Raises UserError for batches that the training people cannot fill, and warn of cameras that training never sees.

    A change that does not reach all rows is warned of too.
    """
    recipes = [experiment.recipe(row) for row in experiment.study.rows if row.name in experiment.rows]
    for one, data in found.items():
        people = data.people or sum((identity.count_people(one, data, results) or {}).values())
        if people:  # else nobody knows: it was noted by an older version, and no folder of it is named
            check_enough(experiment.dataset, people, recipes)
    if any(recipe.camera_embedding > 0 and not recipe.student for recipe in recipes):
        for data in found.values():
            if data.untrained:
                progress.warn(
                    f"{experiment.dataset}: training never sees {len(data.untrained)} cameras of test images (first: "
                    f"{data.untrained[0]}); as their embedding (SIE) they have the mean of the others'"
                )
    for name, rows in experiment.kept.items():
        progress.warn(f"--set {name} does not reach {', '.join(rows)}, which have their own")
