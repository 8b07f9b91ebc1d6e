"""Studies in which nothing differs, drawn many at once: how much of a mean's variance seeds and people make is chosen."""

from dataclasses import dataclass

import numpy as np

FAMILIES = np.arange(50)  # a query each
PEOPLE = np.repeat(np.arange(200), np.random.default_rng(0).integers(1, 12, 200))  # 1 to 11 queries each
RATIOS = (0, 0.1, 0.3, 1, 2, 3, 4, 5, 7, 10, 30, 100)


@dataclass(frozen=True)
class World:
    """The variance of the mean that seeds make, in units of that of people; whether people have an effect; noise.

    both, query: standard deviations of the interaction and of a query's noise, beside 1 of people.
    """

    ratio: float
    people: float = 1.0
    both: float = 0.7
    query: float = 0.3

    def draw(self, studies: int, seeds: int, clusters: np.ndarray, drawn: np.random.Generator) -> np.ndarray:
        """Differences [studies, seeds, Q]."""
        member, count = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
        by_people = float(
            ((count / len(clusters)) ** 2).sum()
        )  # the mean's variance if people's effect has 1
        seed = drawn.standard_normal((studies, seeds, 1)) * np.sqrt(self.ratio * seeds * by_people)
        people = (drawn.standard_exponential((studies, 1, len(count))) - 1) * self.people
        both = people + drawn.standard_normal((studies, seeds, len(count))) * self.both
        return seed + both[..., member] + drawn.standard_normal((studies, seeds, len(clusters))) * self.query
