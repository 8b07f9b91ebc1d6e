"""A training that can be left at any step and taken up again to the bit: all that decides how it goes on.

That is the weights that train with their statistics, the optimiser, the scaler of gradients, the place in the schedule
and in the epoch, and the random streams that are drawn from meanwhile. Where it is kept is no business of this package.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pivl.errors import first_line
from pivl.loop import Fit, Step
from pivl.system.random_streams import Streams


class UnfitSnapshot(Exception):
    """A snapshot of another training than the one that shall go on from it; the message says what does not fit."""


@dataclass(frozen=True)
class Snapshot:
    """Where the training of `stage` stood after a step: `tensors` on the CPU by name, `facts` as JSON has them."""

    stage: str
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


Keep = Callable[[Step, Callable[[], Snapshot]], object]
"""Hears of every step, and may call for the snapshot of where the training stands after it."""


@dataclass(frozen=True)
class Training:
    """The stage `stage` as it trains: its optimisation, the module that holds its weights, and its random streams."""

    stage: str
    fit: Fit[Tensor]
    trained: nn.Module
    streams: Streams

    def take(self) -> Snapshot:
        """Where it stands between two steps; copies, so that later steps do not change them."""
        tensors = {f"trained.{name}": value for name, value in self.trained.state_dict().items()}
        for place, parameter in enumerate(self._parameters()):
            state = self.fit.optimizer.state.get(parameter, {})
            tensors |= {f"optimizer.{place}.{name}": value for name, value in state.items()}
        tensors |= {f"stream.{name}": value for name, value in self.streams.states().items()}
        facts = {"place": list(self.fit.place), "scaler": self.fit.scaler.state_dict()}
        return Snapshot(self.stage, {name: _copy(value) for name, value in tensors.items()}, facts)

    def put_back(self, snapshot: Snapshot) -> None:
        """Stand where `snapshot` was taken, before the first step. Raises UnfitSnapshot, and is then of no more use."""
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
    """The snapshot's tensors whose names begin with `prefix`, without it."""
    tensors = snapshot.tensors.items()
    return {name.removeprefix(prefix): value for name, value in tensors if name.startswith(prefix)}


def _copy(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
