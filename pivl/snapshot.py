"""Snapshots from which a training resumes to the bit, at any step.

A snapshot holds the weights that train with their statistics, the optimiser, the scaler of gradients, the place in the
schedule and in the epoch, and the random streams that the stage draws from. Storing it is no business of this package.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from pivl.errors import first_line
from pivl.loop import Fit, Report, Step
from pivl.system.random_streams import Streams


class UnfitSnapshot(Exception):
    """A snapshot of another training than the one that shall resume from it; the message says what does not fit."""


@dataclass(frozen=True)
class Snapshot:
    """The state of the training of `stage` after a step: `tensors` on the CPU by name, `facts` as JSON has them."""

    stage: str
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


OnStep = Callable[[Step, Callable[[], Snapshot]], object]
"""Is called after every step, and may call its second argument for the snapshot of the training after it."""


@dataclass(frozen=True)
class Training:
    """The stage `stage` as it trains: its optimisation, the module that holds its weights, and its random streams."""

    stage: str
    fit: Fit[Tensor]
    trained: nn.Module
    streams: Streams

    def run(
        self,
        report: Report,
        limit_steps: int | None = None,
        on_step: OnStep | None = None,
        resume_from: Snapshot | None = None,
    ) -> None:
        """Runs the stage, `limit_steps` at most, from `resume_from` where that is a snapshot of it.

        `report` and then `on_step` are called after every step. Raises UnfitSnapshot.
        """
        if resume_from is not None and resume_from.stage == self.stage:
            self.put_back(resume_from)
        left = None if limit_steps is None else max(0, limit_steps - self.fit.place[2])
        for step in islice(self.fit, left):
            report(self.stage, step)
            if on_step is not None:
                on_step(step, self.take)

    def take(self) -> Snapshot:
        """Returns the snapshot between two steps; copies, so that later steps do not change it."""
        tensors = {f"trained.{name}": value for name, value in self.trained.state_dict().items()}
        for place, parameter in enumerate(self._parameters()):
            state = self.fit.optimizer.state.get(parameter, {})
            tensors |= {f"optimizer.{place}.{name}": value for name, value in state.items()}
        tensors |= {f"stream.{name}": value for name, value in self.streams.states().items()}
        facts = {"place": list(self.fit.place), "scaler": self.fit.scaler.state_dict()}
        return Snapshot(self.stage, {name: _copy(value) for name, value in tensors.items()}, facts)

    def put_back(self, snapshot: Snapshot) -> None:
        """Restores the state of `snapshot`, before the first step. Raises UnfitSnapshot, and is then of no more use."""
        try:
            self.trained.load_state_dict(_named(snapshot, "trained."))
            self._put_back_optimizer(_named(snapshot, "optimizer."))
            self.streams.put_back(_named(snapshot, "stream."))
            self.fit.scaler.load_state_dict(snapshot.facts["scaler"])
            epoch, step, done = snapshot.facts["place"]
            self.fit.place = (int(epoch), int(step), int(done))
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            why = first_line(error)
            raise UnfitSnapshot(f"it is of another training than this ({why})") from error

    def _put_back_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        """What the optimiser keeps of each parameter, laid out in memory as the parameter is; rates stay its own."""
        parameters = self._parameters()
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            place, _, name = key.partition(".")
            parameter = parameters[int(place)]
            if value.shape == parameter.shape:
                value = torch.empty_like(parameter, device="cpu", requires_grad=False).copy_(value)
            states.setdefault(int(place), {})[name] = value
        optimizer = self.fit.optimizer
        optimizer.load_state_dict({**optimizer.state_dict(), "state": states})

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.fit.optimizer.param_groups for parameter in group["params"]]


def _named(snapshot: Snapshot, prefix: str) -> dict[str, Tensor]:
    """Returns the snapshot's tensors whose names begin with `prefix`, without it."""
    tensors = snapshot.tensors.items()
    return {name.removeprefix(prefix): value for name, value in tensors if name.startswith(prefix)}


def _copy(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
