"""The only optimisation loop of the project, its learning-rate schedules and what may be trained."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from pivl.errors import TrainingFailed
from pivl.system.data_parallel import average_gradients

Example = TypeVar("Example")
Schedule = Callable[[int, float], float]
"""From the epoch (1-based) and the share of it that is done to the factor on every group's base rate."""


@dataclass(frozen=True)
class Step:
    """One optimisation step: its place, its weighted loss terms, the images it saw and the learning-rate factor."""

    epoch: int
    epochs: int
    step: int
    steps: int  # in this epoch
    terms: dict[str, Tensor]
    images: int
    factor: float
    gradients: Mapping[str, float] = field(default_factory=dict)  # norms by term, where they were measured


Report = Callable[[str, Step], None]
Observe = Callable[[str], object]
"""Is called where a phase of a step ends: begin, then input and forward in stage 2, losses, backward, optimiser."""


def unobserved(phase: str) -> None:
    """Do nothing, where nobody times the phases of a step."""


Gradients = Callable[[Mapping[str, Tensor]], dict[str, float]]
"""From the terms of a step, before they are descended, to the norm of each one's gradient."""


def unmeasured(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """Returns nothing, where no gradient is measured."""
    return {}


def gradient_norms(terms: Mapping[str, Tensor], shared: Tensor) -> dict[str, float]:
    """Returns the norm of the gradient of each term, a scalar, with respect to a tensor that all of them come from.

    Nothing is accumulated, and the terms can be descended afterwards. 0 for a term that does not come from it.
    """
    found = {}
    for name, term in terms.items():
        (gradient,) = torch.autograd.grad(term, shared, retain_graph=True, allow_unused=True)
        found[name] = 0.0 if gradient is None else float(torch.linalg.vector_norm(gradient.float()))
    return found


@dataclass
class Fit(Generic[Example]):
    """Optimises the sum of `loss_terms` over `batches(epoch)` for every epoch; yields one Step after each update.

    Prints, logs, saves and evaluates nothing. `place` = (epoch, steps done in it, steps done in all); set it with model
    and optimizer state to resume. `observe` times the phases of a step. Raises TrainingFailed, with the terms, at a
    non-finite loss. `gradients` measures the terms of the first step of every epoch.
    """

    epochs: int
    batches: Callable[[int], Sequence[Example]]
    loss_terms: Callable[[Example], Mapping[str, Tensor]]
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    precision: str = "fp32"
    place: tuple[int, int, int] = (1, 0, 0)
    observe: Observe = unobserved
    gradients: Gradients = unmeasured
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        device = self.optimizer.param_groups[0]["params"][0].device.type
        self.scaler = torch.amp.GradScaler(device, enabled=self.precision == "fp16")

    def __iter__(self) -> Iterator[Step]:
        base = [group["lr"] for group in self.optimizer.param_groups]
        first, skipped, done = self.place
        for epoch in range(first, self.epochs + 1):
            examples = self.batches(epoch)
            for step in range(skipped if epoch == first else 0, len(examples)):
                factor = self.schedule(epoch, step / len(examples))
                for group, rate in zip(self.optimizer.param_groups, base, strict=True):
                    group["lr"] = rate * factor
                self.observe("begin")
                terms = dict(self.loss_terms(examples[step]))
                self.observe("losses")
                norms = self.gradients(self._scaled(terms)) if step == 0 else {}
                self._update(terms, f"epoch {epoch}, step {step + 1}")
                done += 1
                self.place = (epoch, step + 1, done)
                detached = {name: value.detach() for name, value in terms.items()}
                images = len(examples[step])  # type: ignore[arg-type]
                yield Step(epoch, self.epochs, step + 1, len(examples), detached, images, factor, norms)

    def _scaled(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms as they are descended: in fp16 a small gradient would otherwise be 0."""
        return {name: self.scaler.scale(value) for name, value in terms.items()}

    def _update(self, terms: Mapping[str, Tensor], where: str) -> None:
        """One step of the optimiser down the sum of `terms`."""
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            values = ", ".join(f"{name} {float(value.detach()):.4g}" for name, value in terms.items())
            raise TrainingFailed(f"the loss is not finite in {where}: {values}")
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        average_gradients(one for group in self.optimizer.param_groups for one in group["params"])
        self.observe("backward")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.observe("optimiser")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for a tower's forward pass; losses stay outside of it, in float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def only_trainable(trained: Sequence[nn.Parameter], *modules: nn.Module) -> None:
    """Let `trained` collect gradients and freeze every other parameter of `modules`."""
    chosen = {id(parameter) for parameter in trained}
    for module in modules:
        for parameter in module.parameters():
            parameter.requires_grad_(id(parameter) in chosen)


def warm_cosine(
    epochs: int, rate: float, warmup_epochs: int, warmup_rate: float, least_rate: float
) -> Schedule:
    """CLIP-ReID's stage-1 schedule, constant within an epoch: linear warm-up, cosine, and `least_rate` in the last.

    The last epoch already belongs to a second cycle there, which is why it does not follow the cosine (cosine_lr.py).
    """

    def factor(epoch: int, _: float) -> float:
        if epoch < warmup_epochs:
            return (warmup_rate + epoch * (rate - warmup_rate) / warmup_epochs) / rate
        if epoch >= epochs:
            return least_rate / rate
        return (least_rate + 0.5 * (rate - least_rate) * (1 + math.cos(math.pi * epoch / epochs))) / rate

    return factor


def warm_steps(milestones: Sequence[int], warmup_epochs: float, warmup_factor: float) -> Schedule:
    """CLIP-ReID's stage-2 schedule, constant within an epoch: linear warm-up, then a tenth at each milestone."""

    def factor(epoch: int, _: float) -> float:
        done = epoch / warmup_epochs if epoch < warmup_epochs else 1.0
        return (warmup_factor * (1 - done) + done) * 0.1 ** sum(
            milestone <= epoch for milestone in milestones
        )

    return factor


def smooth_cosine(epochs: int, warmup_epochs: float, warmup_factor: float) -> Schedule:
    """Step by step, for schedules of a few epochs: linear warm-up from `warmup_factor`, then a cosine to zero."""

    def factor(epoch: int, share: float) -> float:
        position = epoch - 1 + share
        if position < warmup_epochs:
            return warmup_factor + (1 - warmup_factor) * position / warmup_epochs
        return 0.5 * (1 + math.cos(math.pi * (position - warmup_epochs) / (epochs - warmup_epochs)))

    return factor


def mean_terms(steps: Sequence[Step], parts: int) -> list[dict[str, float]]:
    """Returns the mean of every term in each of `parts` equal parts of a training; a term not yet in use is left out."""
    size = -(-len(steps) // parts)
    pieces = [steps[start : start + size] for start in range(0, len(steps), size)]
    return [
        {
            name: sum(float(step.terms[name]) for step in piece if name in step.terms)
            / sum(name in step.terms for step in piece)
            for name in piece[-1].terms
        }
        for piece in pieces
    ]
