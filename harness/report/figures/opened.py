"""Opened: the models, pictures and descriptors of a study's runs, each loaded when it is first asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from harness.display.progress import Progress
from harness.execution.stored_run import OpenedRun, open_run
from harness.store.records import Finished, Results
from harness.system.devices import choose_device
from pivl.data.normalization import NORMALIZATIONS
from pivl.data.pictures import Pictures, Split
from pivl.errors import UserError
from pivl.evaluation.retrieval import Descriptors, extract

BATCH = 64


def called(row: str, seed: int) -> str:
    """The name of a run in messages, as tasks have it."""
    return f"{row}, seed {seed}"


@dataclass
class Opened:
    """The opened runs of rows by seed; `runs`: the finished ones of a row, `device_name` as it is typed."""

    runs: Callable[[str], Mapping[int, Finished]]
    results: Results
    device_name: str
    progress: Progress = field(default_factory=Progress.unseen)
    _runs: dict[tuple[str, int], OpenedRun] = field(default_factory=dict)
    _described: dict[tuple[str, int], tuple[Descriptors, Descriptors]] = field(default_factory=dict)

    @cached_property
    def device(self) -> torch.device:
        """The device that figures are computed on."""
        return choose_device(self.device_name)

    def run(self, row: str, seed: int) -> OpenedRun:
        """The run of a row. Raises UserError without its weights or pictures."""
        if (row, seed) not in self._runs:
            try:
                with self.progress.at_work(called(row, seed), "loading model and images"):
                    self._runs[row, seed] = open_run(self.runs(row)[seed].record, self.results, self.device)
            except UserError as error:
                raise UserError(f"{called(row, seed)}: {error}") from error
        return self._runs[row, seed]

    def split(self, row: str, seed: int) -> Split:
        """The pictures of a run."""
        return self.run(row, seed).trainer.split

    def descriptors(self, row: str, seed: int) -> tuple[Descriptors, Descriptors]:
        """Queries and gallery as a run describes them."""
        if (row, seed) not in self._described:
            split = self.split(row, seed)
            with self.progress.at_work(called(row, seed), "describing queries and gallery"):
                self._described[row, seed] = (
                    self._describe(row, seed, split.query),
                    self._describe(row, seed, split.gallery),
                )
        return self._described[row, seed]

    def _describe(self, row: str, seed: int, pictures: Pictures) -> Descriptors:
        run, report = self.run(row, seed), self.progress.count(called(row, seed), "describing")
        normalization = NORMALIZATIONS[run.trainer.recipe.normalization_of("image-tower")]
        return extract(run.trained.model.embed, pictures, normalization, BATCH, self.device, report)
