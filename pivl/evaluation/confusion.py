"""Confusion of parts: how often cells of each part were taken for each other, and what a guess would score."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Pairs = tuple[tuple[int, int], ...]


def group_of(classes: int, merged: Pairs) -> Tensor:
    """Returns the class that each of `classes` counts as, int64 [C]: the first of its pair in `merged`, else itself."""
    group = torch.arange(classes)
    for one, other in merged:
        group[other] = group[one]
    return group


@dataclass(frozen=True)
class Confusion:
    """counts int64 [C, C]: the cells of part i that were taken for part j; a part without cells has a row of zeros."""

    counts: Tensor

    @classmethod
    def of(cls, part: Tensor, answer: Tensor, classes: int) -> "Confusion":
        """Returns the confusion of parts and answers, int64 of one shape, all below `classes`."""
        cells = torch.bincount((part * classes + answer).flatten(), minlength=classes**2)
        return cls(cells.view(classes, classes).cpu())

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    def merged(self, pairs: Pairs) -> "Confusion":
        """Returns the confusion with the second part of each pair counted as the first (LabelSet.flip_pairs)."""
        member = F.one_hot(group_of(len(self.counts), pairs), len(self.counts))
        return Confusion(member.T @ self.counts @ member)

    @property
    def accuracy(self) -> float:
        """The share of cells that were taken for what they are, in [0, 1]; NaN without cells."""
        return float(self.counts.trace() / self.counts.sum())

    @property
    def majority(self) -> float:
        """The accuracy of answering the commonest part everywhere, in [0, 1]; NaN without cells."""
        return float(self.counts.sum(1).max() / self.counts.sum())

    @property
    def balanced(self) -> float:
        """The accuracy within a part, averaged over the parts that have cells, in [0, 1]; NaN without cells."""
        cells = self.counts.sum(1)
        return float((self.counts.diagonal() / cells)[cells > 0].mean())

    @property
    def balanced_chance(self) -> float:
        """The balanced accuracy of every answer that is the same everywhere: 1 / the parts that have cells."""
        return 1 / max(1, int((self.counts.sum(1) > 0).sum()))
