"""Whether a data set has the training people that a recipe's batches want, known before anything is trained."""

from collections.abc import Iterable

from pivl.errors import UserError
from pivl.recipe import Recipe


def check_enough(called: str, people: int, recipes: Iterable[Recipe]) -> None:
    """Raise UserError, one line with what to set, if `people` training people cannot fill a batch of a recipe's stages.

    Of a person's pictures any number is enough: the sampler draws some of them twice (sampler.identity_batches).
    """
    lacking: dict[str, int] = {}
    needed = 0
    for recipe in recipes:
        for option, count, largest in _wanted(recipe, people):
            if count > people:
                needed, lacking[option] = max(needed, count), largest
    if lacking:
        options = " ".join(f"--set {option}={largest}" for option, largest in lacking.items())
        raise UserError(
            f"{called}: {people} training identities cannot fill a batch of {needed}; add {options}"
        )


def _wanted(recipe: Recipe, people: int) -> list[tuple[str, int, int]]:
    """Of each stage that draws people: the option for it, how many a batch has, and the option's value for `people`."""
    shots, stages = recipe.images_per_person, recipe.stages()
    drawn = recipe.prompt_sampling == "identity" and "identity-prompts" in stages
    prompts = ("prompt_batch", recipe.prompt_batch // shots, people * shots)
    images = ("people_per_batch", recipe.people_per_batch, people)
    return [images, *([prompts] if drawn or "part-prompts" in stages else [])]
