"""The typed arguments about a test set and about files of descriptors, before anything is read."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestSet:
    """The data set whose queries and gallery are described; None for an option that was not typed."""

    __test__ = False  # no test of pytest's
    dataset: str | None = None
    data_root: Path | None = None
    allow_partial: bool = False


@dataclass(frozen=True)
class Reading:
    """Choices of reading: `people`, a csv file beside; distances, not features; and these [G, Q], not [Q, G]."""

    people: Path | None = None
    distances: bool = False
    gallery_first: bool = False
