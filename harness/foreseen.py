"""What is refused or warned of, by run and by plan, before anything is decoded or trained."""

from collections.abc import Mapping

from harness import inputs
from harness.inputs import Found, Inputs
from harness.progress import Progress
from harness.question import Question
from harness.records import Results
from pivl.data.enough import check_enough


def check_ahead(
    question: Question, found: Mapping[Inputs, Found], results: Results, progress: Progress
) -> None:
    """Raise UserError for batches that the training people cannot fill, and warn of cameras that training never sees."""
    recipes = [question.recipe(row) for row in question.study.rows if row.name in question.rows]
    people = inputs.count_people(question.inputs, results)
    if people is not None:
        check_enough(question.dataset, sum(people.values()), recipes)
    if any(recipe.camera_embedding > 0 and not recipe.student for recipe in recipes):
        for one in found.values():
            if one.untrained:
                progress.warn(
                    f"{question.dataset}: training never sees {len(one.untrained)} cameras of test pictures (first: "
                    f"{one.untrained[0]}); as their embedding (SIE) they have the mean of the others'"
                )
