"""Person retrieval as the field scores it: per-query average precision and first match (method.md 1.10).

The market protocol: a gallery picture of the query's person under the query's camera is left out, a
distractor (person -1) stays in as a wrong answer, a query without a match that is left is not scored. Nothing
is averaged before it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pivl.data.mapped import release
from pivl.data.pictures import Pictures, Split
from pivl.data.store import Normalization
from pivl.errors import TrainingFailed, UserError

Embed = Callable[[Tensor, Tensor], Tensor]  # image [B, 3, H, W], camera int64 [B] -> descriptors [B, D]
Distances = Callable[[slice], Tensor]  # some of Q queries -> float32 [q, G], not negative
QUERIES_AT_ONCE = 128  # distances of so many to the whole gallery are held
NUMBERS_AT_ONCE = 2**21  # of gallery features, normalised
KEYS_AT_ONCE = 2**20  # pairs ranked at once: about 50 bytes each


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The outcome of each of Q scored queries, in their order, as arrays [Q].

    query: its index in the query set; person, camera: its own (int64). average_precision: not interpolated
    (float64). first_match: wrong answers before the first right one, so 0 is a hit at rank 1 (int64). inp:
    matches / rank of the last one, the inverse negative penalty of Ye et al. 2021 (float64). `excluded`:
    queries that have no match.
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


Ranking = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Retrieval]
"""`rank` or another with its arguments: features [Q, D], [G, D], then person and camera of queries and of gallery."""


def score(
    embed: Embed,
    split: Split,
    normalization: Normalization,
    batch: int,
    device: torch.device,
    ranking: Ranking | None = None,
) -> Retrieval:
    """Embed query and gallery of `split` and rank them; one pass where both are the same pictures.

    `ranking` None is `rank`; see it and extract for what they raise.
    """
    query = extract(embed, split.query, normalization, batch, device)
    same = split.query is split.gallery
    gallery = query if same else extract(embed, split.gallery, normalization, batch, device)
    people = split.query.person, split.query.camera, split.gallery.person, split.gallery.camera
    return (ranking or rank)(query, gallery, *people)


def extract(
    embed: Embed, pictures: Pictures, normalization: Normalization, batch: int, device: torch.device
) -> Tensor:
    """Descriptors float32 [N, D] of all pictures on `device`, `batch` at a time, without gradients.

    `embed` belongs to a model on `device` in eval mode: this sees only the function and cannot switch it.
    """
    found: Tensor | None = None
    with torch.no_grad():
        for start in range(0, len(pictures), batch):
            some = slice(start, start + batch)
            image, camera = pictures.image[some].to(device), pictures.camera[some].to(device)
            described = embed(normalization.normalize(image), camera).float()
            if found is None:  # filled in place: gathering the batches at the end would need twice the memory
                found = described.new_empty(len(pictures), described.shape[1])
            found[some] = described
            release(pictures.image)  # a gallery on disk need not stay in memory once it was looked at
    if found is None:
        raise UserError("there are no pictures to describe; check the split")
    return found


def rank(
    query_features: Tensor,
    gallery_features: Tensor,
    query_person: Tensor,
    query_camera: Tensor,
    gallery_person: Tensor,
    gallery_camera: Tensor,
    chunk: int = QUERIES_AT_ONCE,
) -> Retrieval:
    """Score Q queries against G gallery pictures by the Euclidean distance of L2-normalised features [Q, D], [G, D].

    People and cameras are int64. See squared_distances and rank_distances for memory and errors.
    """
    distances = squared_distances(query_features, gallery_features)
    return rank_distances(distances, query_person, query_camera, gallery_person, gallery_camera, chunk)


def squared_distances(query_features: Tensor, gallery_features: Tensor) -> Distances:
    """Squared Euclidean distances of L2-normalised features [Q, D], [G, D], added up as CLIP-ReID does.

    |q|^2 + |g|^2 - 2 q.g keeps the order that the original gives to distances equal up to rounding. No normalised
    copy of the gallery is held. Raises TrainingFailed for features that are not finite.
    """
    for name, features in (("query", query_features), ("gallery", gallery_features)):
        if not features.float().norm(dim=1).isfinite().all():
            raise TrainingFailed(f"{name} features are not finite; the training diverged")

    def distances(some: slice) -> Tensor:
        query = F.normalize(query_features[some].float(), dim=1)
        squares = query.square().sum(dim=1, keepdim=True)
        result = query.new_empty(len(query), len(gallery_features))
        size = max(1, NUMBERS_AT_ONCE // query.shape[1])
        for start in range(0, len(gallery_features), size):
            block = slice(start, start + size)
            gallery = F.normalize(gallery_features[block].float(), dim=1)
            sums = squares + gallery.square().sum(dim=1)
            result[:, block] = torch.addmm(sums, query, gallery.T, alpha=-2).clamp_min_(0)
        return result

    return distances


def rank_distances(
    distances: Distances,
    query_person: Tensor,
    query_camera: Tensor,
    gallery_person: Tensor,
    gallery_camera: Tensor,
    chunk: int = QUERIES_AT_ONCE,
) -> Retrieval:
    """Score Q queries against G gallery pictures by any distance, smaller is nearer.

    Streams over `chunk` queries at a time, on the device of the distances. The rank of a right answer is a count of
    the gallery before it, equal distances in gallery order. Raises UserError when no query has a match.
    """
    ranks: list[Tensor] = []
    found: list[Tensor] = []
    for start in range(0, len(query_person), chunk):
        some = slice(start, min(start + chunk, len(query_person)))
        near = distances(some)
        people, cameras = gallery_person.to(near.device), gallery_camera.to(near.device)
        rows = max(1, KEYS_AT_ONCE // len(people))
        for distance, person, camera in zip(
            near.split(rows), query_person[some].split(rows), query_camera[some].split(rows), strict=True
        ):
            person, camera = person.to(near.device)[:, None], camera.to(near.device)[:, None]
            same = (people == person) & (person >= 0)
            kept = ~(same & (cameras == camera))
            chunk_ranks, chunk_found = _match_ranks(distance, kept, same & kept)
            ranks.extend(chunk_ranks.double().cpu())
            found.append(chunk_found.cpu())
    return _retrieval(ranks, torch.cat(found), query_person.cpu(), query_camera.cpu())


def _match_ranks(distance: Tensor, kept: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks [q, M] (1 is best) of each query's matches among the kept gallery, ascending, and their counts [q].

    distance [q, G], not negative; kept and match bool [q, G]. Columns past a query's count mean nothing.
    """
    queries, size = distance.shape
    # float32 bits of a number >= 0 sort as it does; the gallery index below them breaks ties and makes keys unique
    key = (distance.view(torch.int32).long() << 32) | torch.arange(size, device=distance.device)
    last = torch.iinfo(torch.int64).max
    found = match.sum(dim=1)
    most = int(found.max())
    matches = key.where(match, last).topk(most, dim=1, largest=False, sorted=True).values
    # each kept picture falls before the first match whose key is not smaller; a running sum of those counts ranks
    place = torch.searchsorted(matches, key.where(kept, last), out_int32=True)
    row = torch.arange(queries, device=distance.device)[:, None] * (most + 1)
    counts = torch.bincount((place + row)[kept], minlength=queries * (most + 1))
    return counts.view(queries, most + 1)[:, :most].cumsum(dim=1), found


def _retrieval(ranks: list[Tensor], found: Tensor, person: Tensor, camera: Tensor) -> Retrieval:
    """Per-query scores from the ranks of each query's matches (float64, one row a query) and their counts."""
    scored = found.nonzero().squeeze(1)
    if not len(scored):
        raise UserError(
            "no query has its person in the gallery under another camera; check the split's cameras"
        )
    right = [ranks[query][: found[query]] for query in scored.tolist()]
    order = torch.arange(1, int(found.max()) + 1, dtype=torch.float64)
    return Retrieval(
        query=scored.numpy(),
        person=person[scored].numpy(),
        camera=camera[scored].numpy(),
        average_precision=np.array([float((order[: len(row)] / row).mean()) for row in right]),
        first_match=np.array([int(row[0]) - 1 for row in right], dtype=np.int64),
        inp=np.array([len(row) / float(row[-1]) for row in right]),
        excluded=len(found) - len(scored),
    )
