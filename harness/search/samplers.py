"""Samplers and pruners of Optuna by name: the next setting, and trials to prune."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from harness.search.spec import SAMPLERS, Search
from pivl.system.random_streams import derive_seed

NUMBER = "number"  # a trial's user attribute: its place in the search, which a second attempt keeps


@contextmanager
def experimental() -> Iterator[None]:
    """Runs the block without Optuna's warnings about experimental features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class SamplerByNumber(BaseSampler):
    """A sampler for every trial, seeded by the seed of the search and the trial's number.

    Optuna's own keep one random state in each process, which is lost with it. Here a draw depends on what is known
    and on nothing else: a search that was stopped goes on as if it had not been.
    """

    def __init__(self, search: Search) -> None:
        kind = {"tpe": TPESampler, "random": RandomSampler}[search.sampler]

        def make(number: int) -> BaseSampler:
            seed = derive_seed(search.run.seed, f"trial {number}") % 2**32  # what numpy's RandomState takes
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", ExperimentalWarning
                )  # multivariate TPE was that before optuna 5
                return kind(seed=seed, **SAMPLERS[search.sampler])

        self._make = lru_cache(maxsize=1)(make)

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        return self._make(trial.user_attrs.get(NUMBER, trial.number))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The search space for joint sampling; see BaseSampler."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Samples all parameters jointly, if enough trials are done."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Samples one parameter independently."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)


def make_pruner(search: Search) -> BasePruner:
    """The pruner of the search, for trials that report a value after every epoch, from 1."""
    kinds: dict[str, type[BasePruner]] = {
        "median": MedianPruner,
        "hyperband": HyperbandPruner,
        "none": NopPruner,
    }
    return kinds[search.pruner](**search.pruner_options)
