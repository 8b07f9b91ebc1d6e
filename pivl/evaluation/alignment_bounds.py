"""Bounds of the alignment loss (Eq. 11): the least that a map reaches which knows less than its targets tell.

A map that is one vector everywhere has learned nothing; one vector for each part knows parts and no people; one for each
person knows people and no parts. All are known from the targets alone, without a picture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

ROUNDING = 1e-6  # of a loss in [0, 4]


@dataclass(frozen=True)
class AlignmentBounds:
    """The least alignment losses, each in [0, 4], of one unit vector: for all cells, for each part, for each person."""

    constant: float
    per_part: float
    per_person: float

    @classmethod
    def of(cls, texts: Tensor, weights: Tensor) -> "AlignmentBounds":
        """Returns the bounds for texts [P, K, D], each the target of cells that count `weights` [P, K] together.

        Among unit vectors v the mean of 2 - 2 v.t over unit targets t is least along their sum s: 2 - 2 |s| / n.
        """
        sums = functional.normalize(texts.double(), dim=2) * weights.double()[..., None]
        total = weights.double().sum()

        def least(groups: Tensor) -> float:
            return float(2 - 2 * torch.linalg.vector_norm(groups, dim=-1).sum() / total)

        return cls(least(sums.sum((0, 1))), least(sums.sum(0)), least(sums.sum(1)))

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
