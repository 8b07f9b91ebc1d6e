"""k-reciprocal re-ranking (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).

Each picture is described by the pictures that are its neighbours and have it as theirs; the Jaccard distance of two such
sets is mixed with the distance of the features. The sets are kept as sparse rows, so memory grows with the pictures and
not with their square. Queries see each other here: a metric with re-ranking has a signature of its own.

Weights are stored and added up in half precision, one member after another, because the original does: in float32 one
query in a few hundred changes its rank, which is more than re-ranked figures are compared to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from pivl.evaluation.retrieval import (
    AT_ONCE,
    Descriptors,
    Distances,
    Retrieval,
    rank_distances,
    squared_distances,
)

QUERIES_AT_ONCE = 64  # queries whose sets are compared with the gallery's together
ROWS_AT_ONCE = 256  # pictures whose sets are put together


@dataclass(frozen=True)
class Reciprocal:
    """The method's choices: `k1` neighbours make a set, `k2` sets are averaged, `share` is the features' (lambda).

    Raises ValueError for values that mean nothing.
    """

    k1: int = 20
    k2: int = 6
    share: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or not 0 <= self.share <= 1:
            raise ValueError(f"re-ranking needs k1 >= 1, k2 >= 1 and a share from 0 to 1: {self}")


USUAL = Reciprocal()


def rerank(query: Descriptors, gallery: Descriptors, choice: Reciprocal = USUAL) -> Retrieval:
    """Returns what `evaluation.rank` gives for the same pictures, by re-ranked distances."""
    return rank_distances(reranked_distances(query, gallery, choice), query, gallery)


def reranked_distances(query: Descriptors, gallery: Descriptors, choice: Reciprocal = USUAL) -> Distances:
    """Distances in [0, 1] after re-ranking all Q + G pictures together; holds a copy of their descriptors."""
    queries, count = len(query), len(query) + len(gallery)
    by_features = squared_distances(query, gallery)
    unit = torch.cat([query.descriptor, gallery.descriptor])
    nearest, farthest = neighbours(unit, choice.k1)
    sets = expand(weigh(reciprocal_pairs(nearest, choice.k1), unit, farthest), nearest[:, : choice.k2])
    holders = sets.transposed(queries, count)
    share_of_sets = torch.tensor(1 - choice.share, dtype=torch.half)

    def distances(some: slice) -> Tensor:
        rows = torch.arange(*some.indices(queries), device=unit.device)
        shared = torch.cat(
            [shared_weights(sets, holders, few, count - queries) for few in rows.split(QUERIES_AT_ONCE)]
        )
        jaccard = 1 - shared / (2 - shared)  # every row sums to 1
        mixed = by_features(some).div_(farthest[rows, None]).mul_(choice.share)
        return mixed.add_(jaccard * share_of_sets)

    return distances


def shared_weights(sets: "SparseRows", holders: "SparseRows", queries: Tensor, gallery: int) -> Tensor:
    """Returns what each of `queries` [q] has in common with each gallery picture, sum of min: half [q, gallery].

    `holders` are the sets of the gallery, transposed. Members are added in rising order.
    """
    place, member, weight = sets.rows(queries)
    number = torch.arange(len(place), device=place.device) - torch.searchsorted(place, place)
    order = number.argsort(stable=True)  # the first member of every query, then the second, ...
    pair, picture, held = holders.rows(member[order])
    least = torch.minimum(weight[order][pair], held)
    target = place[order][pair] * gallery + picture
    shared = weight.new_zeros(len(queries) * gallery)
    ends = torch.bincount(number[order][pair]).cumsum(0).tolist() if len(pair) else []
    for start, end in pairwise([0, *ends]):
        shared[target[start:end]] += least[start:end]  # one member of a query holds a picture once at most
    return shared.view(len(queries), gallery)


@dataclass(frozen=True)
class SparseRows:
    """Rows with few entries: those of row i lie at start[i] to start[i + 1] of `column` and `value`."""

    start: Tensor
    column: Tensor
    value: Tensor

    @classmethod
    def gather(cls, count: int, entries: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Self:
        """`count` rows from (row, column, value) entries whose rows never fall."""
        row, column, value = (torch.cat(parts) for parts in zip(*entries, strict=True))
        start = torch.bincount(row, minlength=count).cumsum(0)
        return cls(torch.cat([start.new_zeros(1), start]), column, value)

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns all entries of `rows` one row after another: the place in `rows`, the column, the value."""
        size = self.start[rows + 1] - self.start[rows]
        place = torch.arange(len(rows), device=rows.device).repeat_interleave(size)
        before = (size.cumsum(0) - size)[place]
        entry = torch.arange(len(place), device=rows.device) - before + self.start[rows][place]
        return place, self.column[entry], self.value[entry]

    def transposed(self, first: int, columns: int) -> "SparseRows":
        """Returns the rows from `first` on as columns 0, 1, ...: who has each of `columns`, and with what value."""
        count = len(self.start) - 1
        row = torch.arange(count, device=self.start.device).repeat_interleave(self.start.diff())
        kept = (row >= first).nonzero().squeeze(1)
        order = kept[self.column[kept].argsort(stable=True)]
        return SparseRows.gather(columns, [(self.column[order], row[order] - first, self.value[order])])


def neighbours(unit: Tensor, k1: int) -> tuple[Tensor, Tensor]:
    """For unit features [N, D] the k1 + 1 nearest pictures [N, <= k1 + 1], itself first, and the largest distance.

    Distances are squared Euclidean; the largest [N] is never 0.
    """
    count = len(unit)
    nearest = torch.empty(count, min(k1 + 1, count), dtype=torch.long, device=unit.device)
    farthest = unit.new_empty(
        count
    )  # filled in place: small results among large ones would scatter the memory
    for rows in torch.arange(count, device=unit.device).split(max(1, AT_ONCE // count)):
        similarity = unit[rows] @ unit.T
        similarity[rows - rows[0], rows] = torch.inf  # itself, also where others are exactly like it
        nearest[rows] = similarity.topk(nearest.shape[1], dim=1).indices
        farthest[rows] = (2 - 2 * similarity.amin(dim=1)).clamp_min(torch.finfo(unit.dtype).tiny)
    return nearest, farthest


def reciprocal_pairs(nearest: Tensor, k1: int) -> Iterable[tuple[Tensor, Tensor]]:
    """The expanded k-reciprocal sets from nearest [N, k1 + 1]: (picture, member) pairs by rising picture, in chunks.

    R(p, k1) holds the neighbours of p that have p among theirs. The set R(q, k1 / 2) of a member q is added where more
    than two thirds of it are in R(p, k1) already.
    """
    half = nearest[:, : round(k1 / 2) + 1]
    mutual, half_mutual = _mutual(nearest), _mutual(half)
    for rows in torch.arange(len(nearest), device=nearest.device).split(ROWS_AT_ONCE):
        own, in_own = nearest[rows], mutual[rows]
        other, in_other = half[own], half_mutual[own]  # [rows, k1 + 1, k1 / 2 + 1]
        known = ((other[..., None] == own[:, None, None]) & in_own[:, None, None]).any(dim=-1) & in_other
        added = in_own & (3 * known.sum(dim=2) > 2 * in_other.sum(dim=2))
        taken = torch.cat([in_own, (in_other & added[..., None]).flatten(1)], dim=1)
        member = torch.cat([own, other.flatten(1)], dim=1)
        pairs = (rows[:, None] * len(nearest) + member)[taken].unique()
        yield pairs // len(nearest), pairs % len(nearest)


def weigh(pairs: Iterable[tuple[Tensor, Tensor]], unit: Tensor, farthest: Tensor) -> SparseRows:
    """Returns each set as a row that sums to 1, its members weighted by exp(-distance / largest distance)."""

    def weighted() -> Iterable[tuple[Tensor, Tensor, Tensor]]:
        for picture, member in pairs:
            place = picture - picture[0]  # every picture has a member, itself, so none is left out
            known, column = member.unique(return_inverse=True)
            cosine = (unit[picture[0] : picture[-1] + 1] @ unit[known].T)[place, column]
            weight = (-(2 - 2 * cosine).clamp_min(0) / farthest[picture]).exp()
            total = torch.bincount(place, weights=weight)
            yield picture, member, (weight / total[place]).half()

    return SparseRows.gather(len(unit), weighted())


def expand(sets: SparseRows, nearest: Tensor) -> SparseRows:
    """The mean of the rows of each picture's `nearest` [N, k2] (local query expansion); k2 of 1 changes nothing."""
    count, k2 = nearest.shape
    if k2 == 1:
        return sets

    def averaged() -> Iterable[tuple[Tensor, Tensor, Tensor]]:
        for rows in torch.arange(count, device=nearest.device).split(ROWS_AT_ONCE):
            place, column, value = sets.rows(nearest[rows].flatten())
            pairs, same = (rows[place // k2] * count + column).unique(return_inverse=True)
            mean = torch.bincount(same, weights=value.float()) / k2
            yield pairs // count, pairs % count, mean.half()

    return SparseRows.gather(count, averaged())


def _mutual(nearest: Tensor) -> Tensor:
    """Returns whether each neighbour of nearest [N, k] has the picture among its own: bool [N, k]."""
    rows = torch.arange(len(nearest), device=nearest.device).split(ROWS_AT_ONCE)
    return torch.cat([(nearest[nearest[some]] == some[:, None, None]).any(dim=2) for some in rows])
