"""SearchOptions: what is said of a search besides the recipe that it varies."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchOptions:
    """The number of trials, the sampler of their settings, and their storage.

    seed: of the people held out, the settings and every training. sampler: `tpe` or `random`. pruner: `median`,
    `hyperband` or `none`. trials: how many, with those done before. storage: postgresql://USER@HOST/DATABASE; None: a
    file in the results.
    """

    seed: int = 0
    sampler: str = "tpe"
    pruner: str = "median"
    trials: int = 40
    storage: str | None = None
