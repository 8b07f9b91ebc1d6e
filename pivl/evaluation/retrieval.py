"""Person retrieval as the field scores it: per-query average precision and first match (method.md 1.10).

The market protocol: a gallery picture of the query's person under the query's camera is left out, a
distractor (person -1) stays in as a wrong answer, a query without a match that is left is not scored. Nothing
is averaged before it is asked for. Descriptors are compared at length 1, and brought to it as they are made.

The rank of a right answer is a count of the gallery before it, so nothing is sorted: that takes less time than the
distances. Of equally distant pictures the one that stands first in the gallery comes first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pivl.data.cache.memory_map import release
from pivl.data.normalization import Normalization
from pivl.data.pictures import Pictures, Split
from pivl.errors import TrainingFailed, UserError
from pivl.evaluation.average_precision import step

Embed = Callable[[Tensor, Tensor], Tensor]  # image [B, 3, H, W], camera int64 [B] -> descriptors [B, D]
Distances = Callable[[slice], Tensor]  # some of Q queries -> float32 [q, G]
Indices = NDArray[np.int64]
AT_ONCE = 2**24  # distances that are held: 64 MiB, some queries to the whole gallery
ROWS_AT_ONCE = 1024  # descriptors whose squares are held


@dataclass(frozen=True, eq=False)
class Descriptors:
    """N pictures as a model describes them: descriptor float32 [N, D] of length 1, person and camera int64 [N]."""

    descriptor: Tensor
    person: Tensor
    camera: Tensor

    @classmethod
    def of(cls, feature: Tensor, person: Tensor, camera: Tensor) -> Self:
        """Pictures described by features [N, D] of any length; TrainingFailed where one is not finite."""
        return cls(unit(feature), person, camera)

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The outcome of each of Q scored queries, in their order, as arrays [Q].

    query: its index in the query set; person, camera: its own (int64). average_precision: not interpolated,
    or as `rank_distances` was told (float64). first_match: wrong answers before the first right one, so 0 is
    a hit at rank 1 (int64). inp: matches / rank of the last one, the inverse negative penalty of Ye et al.
    2021 (float64). `excluded`: queries that have no match.
    """

    query: NDArray[np.int64]
    person: NDArray[np.int64]
    camera: NDArray[np.int64]
    average_precision: NDArray[np.float64]
    first_match: NDArray[np.int64]
    inp: NDArray[np.float64]
    excluded: int

    @property
    def map(self) -> float:
        """Mean average precision, in [0, 1]."""
        return float(self.average_precision.mean())

    @property
    def mean_inp(self) -> float:
        """Mean inverse negative penalty (mINP), in [0, 1]."""
        return float(self.inp.mean())

    def cmc(self, k: int) -> float:
        """Share of queries with a right answer among the first k >= 1: Rank-k, in [0, 1]."""
        return float((self.first_match < k).mean())


Ranking = Callable[[Descriptors, Descriptors], Retrieval]  # `rank` or another: queries and gallery


def unit(feature: Tensor) -> Tensor:
    """Features [N, D] as float32 of length 1; TrainingFailed where one is not finite."""
    feature = feature.float()
    if not feature.norm(dim=1).isfinite().all():
        raise TrainingFailed("descriptors are not finite; the training diverged")
    return F.normalize(feature, dim=1)


def extract(
    embed: Embed,
    pictures: Pictures,
    normalization: Normalization,
    batch: int,
    device: torch.device,
    report: Callable[[int, int], object] | None = None,
) -> Descriptors:
    """Returns all pictures by their descriptors on `device`, at length 1; see `describe`, and `unit` for errors."""

    def embed_unit(image: Tensor, camera: Tensor) -> Tensor:
        return unit(embed(image, camera))

    found = describe(embed_unit, pictures, normalization, batch, device, report)
    return Descriptors(found, pictures.person, pictures.camera)


def describe(
    embed: Embed,
    pictures: Pictures,
    normalization: Normalization,
    batch: int,
    device: torch.device,
    report: Callable[[int, int], object] | None = None,
) -> Tensor:
    """Returns what `embed` makes of all pictures [N, D] on `device`, `batch` at a time, without gradients.

    `embed` belongs to a model on `device` in eval mode: this sees only the function and cannot switch it. `report` is
    called with the pictures done and the total.
    """
    found: Tensor | None = None
    with torch.no_grad():
        for start in range(0, len(pictures), batch):
            some = slice(start, start + batch)
            image, camera = pictures.image[some].to(device), pictures.camera[some].to(device)
            described = embed(normalization.normalize(image), camera)
            if found is None:  # filled in place: gathering the batches at the end would need twice the memory
                found = described.new_empty(len(pictures), described.shape[1])
            found[some] = described
            release(pictures.image)  # a gallery on disk need not stay in memory once it was looked at
            if report is not None:
                report(min(start + batch, len(pictures)), len(pictures))
    if found is None:
        raise UserError("there are no images to describe; check the split")
    return found


def squared_distances(query: Descriptors, gallery: Descriptors) -> Distances:
    """Squared Euclidean distances, added up as CLIP-ReID does.

    |q|^2 + |g|^2 - 2 q.g keeps the order that the original gives to distances equal up to rounding. Nothing is held
    beside the distances that are asked for.
    """
    query_squares, gallery_squares = squares(query.descriptor), squares(gallery.descriptor)

    def distances(some: slice) -> Tensor:
        sums = query_squares[some, None] + gallery_squares
        return sums.addmm_(query.descriptor[some], gallery.descriptor.T, alpha=-2).clamp_min_(0)

    return distances


def squares(descriptor: Tensor) -> Tensor:
    """[N]: the squared length of each row of [N, D].

    Filled in place: small results that are kept among large ones that are not would scatter the memory.
    """
    found = descriptor.new_empty(len(descriptor))
    for rows, place in zip(descriptor.split(ROWS_AT_ONCE), found.split(ROWS_AT_ONCE), strict=True):
        torch.sum(rows.square(), dim=1, out=place)
    return found


def rank(query: Descriptors, gallery: Descriptors, at_once: int = AT_ONCE) -> Retrieval:
    """Score queries against a gallery by Euclidean distance; see rank_distances for memory and errors."""
    return rank_distances(squared_distances(query, gallery), query, gallery, at_once)


def rank_distances(
    distances: Distances,
    query: Descriptors,
    gallery: Descriptors,
    at_once: int = AT_ONCE,
    average_precision: Callable[[Indices], float] = step,
) -> Retrieval:
    """Score queries against a gallery by any distance, smaller is nearer, of which about `at_once` are held.

    `average_precision`: of a query's rising ranks. Raises UserError when no query has a match.
    """
    sought = matches_and_junk(query, gallery)
    step = max(1, at_once // len(gallery))
    ranks: list[Indices] = []
    for start in range(0, len(query), step):
        some = slice(start, start + step)
        ranks += rank_matches(distances(some), sought[some])
    return _retrieval(ranks, query, average_precision)


def matches_and_junk(query: Descriptors, gallery: Descriptors) -> list[tuple[Indices, Indices]]:
    """For each query, its person's gallery pictures under other cameras and under its own: rising indices."""
    person, camera = gallery.person.cpu().numpy(), gallery.camera.cpu().numpy()
    wanted, under = query.person.cpu().numpy(), query.camera.cpu().numpy()
    by_person = person.argsort(kind="stable")
    first, end = (np.searchsorted(person[by_person], wanted, side) for side in ("left", "right"))
    end = np.where(wanted < 0, first, end)  # a distractor is nobody
    own = [by_person[start:stop] for start, stop in zip(first, end, strict=True)]
    other = [camera[pictures] != seen for pictures, seen in zip(own, under, strict=True)]
    return [(pictures[kept], pictures[~kept]) for pictures, kept in zip(own, other, strict=True)]


def rank_matches(distances: Tensor, sought: list[tuple[Indices, Indices]]) -> list[Indices]:
    """For each row of distances [q, G], the rising ranks (1 is best) of its matches."""
    return [match_ranks(row, *pair) for row, pair in zip(distances.cpu().numpy(), sought, strict=True)]


def match_ranks(distance: NDArray[np.float32], match: Indices, junk: Indices) -> Indices:
    """Returns the rising ranks of the pictures `match` in a gallery at `distance` [G] without the pictures `junk`.

    What stands before a match in the gallery comes before it when it is as near, what stands behind it when nearer.
    """
    near = distance[match]
    before = [
        np.count_nonzero(distance[:place] <= own) + np.count_nonzero(distance[place:] < own)
        for place, own in zip(match, near, strict=True)
    ]
    own, other = near[:, None], distance[junk]
    not_counted = (other < own) | ((other == own) & (junk < match[:, None]))
    return np.sort(np.array(before, dtype=np.int64) - not_counted.sum(axis=1)) + 1


def score(
    embed: Embed,
    split: Split,
    normalization: Normalization,
    batch: int,
    device: torch.device,
    ranking: Ranking = rank,
    embed_query: Embed | None = None,
) -> Retrieval:
    """Describe query and gallery of `split` and rank them; one pass where both are the same pictures.

    `embed_query`: for the queries, in their order, where more of them is looked at than their descriptors.
    """
    query = extract(embed_query or embed, split.query, normalization, batch, device)
    same = split.query is split.gallery
    return ranking(query, query if same else extract(embed, split.gallery, normalization, batch, device))


def _retrieval(
    ranks: list[Indices], query: Descriptors, average_precision: Callable[[Indices], float]
) -> Retrieval:
    """Per-query scores from the ranks of each query's matches."""
    scored = np.array([place for place, right in enumerate(ranks) if len(right)], dtype=np.int64)
    if not len(scored):
        raise UserError(
            "no query has its person in the gallery under another camera; check the split's cameras"
        )
    found = [ranks[place] for place in scored]
    return Retrieval(
        query=scored,
        person=query.person.cpu().numpy()[scored],
        camera=query.camera.cpu().numpy()[scored],
        average_precision=np.array([average_precision(right) for right in found]),
        first_match=np.array([right[0] - 1 for right in found]),
        inp=np.array([len(right) / right[-1] for right in found]),
        excluded=len(ranks) - len(scored),
    )
