"""Counts the work of a stage before it runs: optimisation steps and images."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pivl.recipe import Recipe, Stage

DRAWS = 8  # epochs drawn to learn how many batches one has: PK sampling does not always use up a data set


@dataclass(frozen=True)
class Work:
    """Optimisation steps, and training images, each counted as often as it is used."""

    steps: int
    images: int


def count_work(recipe: Recipe, stage: Stage, people: Mapping[int, int], limit_steps: int | None) -> Work:
    """The work of `stage` on a training set in which `people[n]` identities have n images each.

    Exact for shuffled batches; where people are drawn, as many steps as other draws than the run's own gave on average.
    """
    epochs, batch = recipe.epochs, recipe.batch_size(stage)
    if stage != "image-tower":
        joint = stage == "part-prompts" and recipe.part_schedule == "joint"
        own = recipe.identity_epochs if stage == "identity-prompts" else recipe.part_epochs
        epochs = own + (recipe.identity_epochs if joint else 0)
    if not recipe.draws_people(stage):
        pictures = sum(count * each for each, count in people.items())
        steps, images = epochs * -(-pictures // batch), epochs * pictures
    else:
        each = recipe.images_per_person
        steps = round(epochs * _batches_per_epoch(tuple(sorted(people.items())), batch // each, each))
        images = steps * batch
    if limit_steps is not None and limit_steps < steps:
        return Work(limit_steps, limit_steps * batch)
    return Work(steps, images)


@lru_cache
def _batches_per_epoch(people: tuple[tuple[int, int], ...], per_batch: int, images: int) -> float:
    """The mean number of batches of pivl.data.sampler.identity_batches, which this draws after without the pictures."""
    draw = random.Random(0)
    batches = 0
    for _ in range(DRAWS):
        left = [max(1, pictures // images) for pictures, count in people for _ in range(count)]
        while len(left) >= per_batch:
            for place in draw.sample(range(len(left)), per_batch):
                left[place] -= 1
            left = [chunks for chunks in left if chunks]
            batches += 1
    return batches / DRAWS
