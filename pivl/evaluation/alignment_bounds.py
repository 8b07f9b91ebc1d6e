"""Bounds of the alignment loss (Eq. 11): the least that a map reaches which knows less than its targets tell.

A map that is one vector everywhere has learned nothing; one vector for each part knows parts and no people; one for each
person knows people and no parts. All are known from the targets alone, without a picture.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

ROUNDING = 1e-6
Loss = Literal["unit", "raw", "classes"]
"""The form of the alignment loss, as Recipe.align_loss has it."""


@dataclass(frozen=True)
class AlignmentBounds:
    """The least alignment losses of maps that have one vector: for all cells, for each part, for each person."""

    constant: float
    per_part: float
    per_person: float

    @classmethod
    def of(cls, texts: Tensor, weights: Tensor, loss: Loss = "unit") -> "AlignmentBounds":
        """Returns the bounds for texts [P, K, D], each the target of cells that count `weights` [P, K] together.

        unit: among unit vectors v the mean of 2 - 2 v.t over n unit targets t is least along their sum s: 2 - 2 |s| / n.
        raw: the mean of |v - t|^2 / D is least for the mean target. classes: whoever answers how common parts are has
        their entropy as cross-entropy, and whoever knows them 0.
        """
        counts = weights.double()
        if loss == "classes":
            return cls(_entropy(counts.sum(0, keepdim=True)), 0.0, _entropy(counts))
        least = _least_unit if loss == "unit" else _least_raw
        targets = functional.normalize(texts.double(), dim=2) if loss == "unit" else texts.double()
        flat, number = targets.flatten(0, 1), counts.flatten()
        groups = torch.arange(len(number), device=counts.device).view_as(counts)
        person, part = groups // counts.shape[1], groups % counts.shape[1]
        return cls(*(least(flat, number, one.flatten()) for one in (0 * groups, part, person)))

    def skill(self, loss: float) -> float:
        """The share of the best constant's loss that `loss` is below it: 1 is perfect, 0 a constant; at most 1."""
        return _share_below(self.constant, loss)

    def skill_beyond_parts(self, loss: float) -> float:
        """`skill` against the best vector for each part: above 0 only where the map tells people apart.

        NaN for targets without identity, which one vector for each part meets.
        """
        return _share_below(self.per_part, loss)


def _share_below(bound: float, loss: float) -> float:
    """1 - loss / bound; NaN where the bound is 0 up to rounding, which nothing is below."""
    return 1 - loss / bound if bound > ROUNDING else float("nan")


def _least_unit(targets: Tensor, counts: Tensor, group: Tensor) -> float:
    """The least mean of 2 - 2 v.t over unit targets [N, D], N kinds of `counts` cells, with a unit vector v by group."""
    sums = _sum_by(group, targets * counts[:, None])
    return float(2 - 2 * torch.linalg.vector_norm(sums, dim=1).sum() / counts.sum())


def _least_raw(targets: Tensor, counts: Tensor, group: Tensor) -> float:
    """The least mean of |v - t|^2 / D over targets [N, D], N kinds of `counts` cells, with a vector v by group."""
    number = _sum_by(group, counts[:, None])
    means = _sum_by(group, targets * counts[:, None]) / number.clamp(min=ROUNDING)
    squares = (targets - means[group]).square().mean(1)  # over channels, as losses.raw_errors
    return float((squares * counts).sum() / counts.sum())


def _sum_by(group: Tensor, rows: Tensor) -> Tensor:
    """The sums of rows [N, D] by their group, int64 [N]."""
    return rows.new_zeros(len(group), rows.shape[1]).index_add_(0, group, rows)


def _entropy(counts: Tensor) -> float:
    """The mean over cells of -log of the share that their part has in their row of counts [G, K], in nats."""
    shares = counts / counts.sum(1, keepdim=True).clamp(min=ROUNDING)
    return float(-torch.special.xlogy(counts, shares).sum() / counts.sum())
