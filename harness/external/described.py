"""Pictures of one test set as a method describes them: features or distances, with people and cameras."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Names = tuple[str, ...]
Array = NDArray[Any]
JUNK, DISTRACTOR = -1, 0  # as Market-1501 numbers people: left out, and a wrong answer for every query


@dataclass(frozen=True, eq=False)
class Side:
    """The queries or the gallery: person and camera int64 [N]; names are empty where there are none.

    family: int64 [N], the same for people who were made alike, where that is known.
    """

    person: Array
    camera: Array
    names: Names = ()
    family: Array | None = None

    def __len__(self) -> int:
        return len(self.person)

    def take(self, places: Array) -> "Side":
        """Returns the pictures at `places`, in that order."""
        names = tuple(self.names[place] for place in places) if self.names else ()
        family = None if self.family is None else self.family[places]
        return Side(self.person[places], self.camera[places], names, family)

    @property
    def cluster(self) -> Array:
        """The largest group that each picture hangs together with, int64 [N]: its family, or else its person."""
        return self.person if self.family is None else self.family


@dataclass(frozen=True, eq=False)
class Described:
    """Q queries and G gallery pictures, with features float32 [Q, D] and [G, D], or distances float32 [Q, G].

    facts: what a file says of itself, as texts: dataset, metric, descriptor, model, seed.
    """

    query: Side
    gallery: Side
    features: tuple[Array, Array] | None = None
    distances: Array | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.query) + len(self.gallery)

    @property
    def width(self) -> int:
        """The numbers of a descriptor; 0 for distances."""
        return 0 if self.features is None else int(self.features[0].shape[1])


@dataclass(frozen=True, eq=False)
class Folder:
    """Features float32 [N, D] of the pictures of a folder, by name, of whom nothing more is known."""

    feature: Array
    names: Names
    facts: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def width(self) -> int:
        """The numbers of a descriptor."""
        return int(self.feature.shape[1])


def market_people(person: Array) -> Array:
    """Returns people as files have them, where ours count a distractor as -1."""
    return np.where(person < 0, DISTRACTOR, person)
