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

from pivl.data.pictures import Pictures, Split
from pivl.data.store import Normalization
from pivl.errors import TrainingFailed, UserError

Embed = Callable[[Tensor, Tensor], Tensor]  # image [B, 3, H, W], camera int64 [B] -> descriptors [B, D]


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


def score(
    embed: Embed, split: Split, normalization: Normalization, batch: int, device: torch.device
) -> Retrieval:
    """Embed query and gallery of `split` and rank them; one pass where both are the same pictures. See extract, rank."""
    query = extract(embed, split.query, normalization, batch, device)
    same = split.query is split.gallery
    gallery = query if same else extract(embed, split.gallery, normalization, batch, device)
    people = split.query.person, split.query.camera, split.gallery.person, split.gallery.camera
    return rank(query, gallery, *people)


def extract(
    embed: Embed, pictures: Pictures, normalization: Normalization, batch: int, device: torch.device
) -> Tensor:
    """Descriptors float32 [N, D] of all pictures on `device`, `batch` at a time, without gradients.

    `embed` belongs to a model on `device` in eval mode: this sees only the function and cannot switch it.
    """
    with torch.no_grad():
        return torch.cat(
            [
                embed(normalization.normalize(image.to(device)), camera.to(device)).float()
                for image, camera in zip(
                    pictures.image.split(batch), pictures.camera.split(batch), strict=True
                )
            ]
        )


def rank(
    query_features: Tensor,
    gallery_features: Tensor,
    query_person: Tensor,
    query_camera: Tensor,
    gallery_person: Tensor,
    gallery_camera: Tensor,
    chunk: int = 128,
) -> Retrieval:
    """Score Q queries against G gallery pictures by the Euclidean distance of L2-normalised features [Q, D], [G, D].

    Streams over `chunk` queries at a time, in chunk x G memory on the features' device; people and cameras
    are int64. The rank of a right answer is a count of the gallery before it, equal distances in gallery
    order. Raises TrainingFailed for features that are not finite, UserError when no query has a match.
    """
    for name, features in (("query", query_features), ("gallery", gallery_features)):
        if not features.isfinite().all():
            raise TrainingFailed(f"{name} features are not finite; the training diverged")
    device = query_features.device
    gallery = F.normalize(gallery_features.float(), dim=1)
    people, cameras = gallery_person.to(device), gallery_camera.to(device)
    ranks: list[Tensor] = []
    found: list[Tensor] = []
    for features, person, camera in zip(
        query_features.split(chunk), query_person.split(chunk), query_camera.split(chunk), strict=True
    ):
        person, camera = person.to(device)[:, None], camera.to(device)[:, None]
        same = (people == person) & (person >= 0)
        kept = ~(same & (cameras == camera))
        similarity = F.normalize(features.float(), dim=1) @ gallery.T
        chunk_ranks, chunk_found = _match_ranks((2 - 2 * similarity).clamp_min(0), kept, same & kept)
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
    place = torch.searchsorted(matches, key.where(kept, last))
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
