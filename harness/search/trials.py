"""The trials of a search as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

FEWEST = 8  # finished trials of different mAP from which importances are estimated
QUANTILE, AT_LEAST = (
    0.1,
    5,
)  # what PED-ANOVA takes for good: a tenth of the trials, and its authors' least number

LOST = "its process was lost"  # why a trial failed that nobody saw the end of; it is done again

State = Literal["waiting", "running", "finished", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """A tried or enqueued setting.

    number: its place in the search, from 0. setting: values of recipe fields; of the trials that have not begun, only
    what is known already. value: mAP of the held-out people in percent, of the last epoch, where it finished. epochs:
    the same after each epoch, from 1. run: the id of its record. error: why it failed, in one line.
    """

    number: int
    state: State
    setting: Mapping[str, Any]
    value: float | None = None
    epochs: Mapping[int, float] = field(default_factory=dict)
    run: str | None = None
    began: datetime | None = None
    ended: datetime | None = None
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether the trial has ended for good."""
        return self.state in ("finished", "pruned", "failed")


def best(trials: Sequence[Trial]) -> Trial | None:
    """The finished trial of the highest mAP, the earliest of equals."""
    finished = [trial for trial in trials if trial.value is not None]
    return max(finished, key=lambda trial: (trial.value, -trial.number), default=None)
