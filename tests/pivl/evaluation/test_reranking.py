"""k-reciprocal re-ranking against sets written out, the original's figures, and what must not change it."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.evaluation.reranking import USUAL, Reciprocal, rerank, reranked_distances
from pivl.evaluation.retrieval import Descriptors, Distances, rank
from tests.support.naive import FOLDER


def reranked_by_hand(features: NDArray[np.float64], queries: int, choice: Reciprocal) -> NDArray[np.float64]:
    """Distances [Q, G] of Zhong et al., one set at a time, from unit features [Q + G, D], queries first."""
    count = len(features)
    distance = [[float(((a - b) ** 2).sum()) for b in features] for a in features]
    distance = [[value / max(row) for value in row] for row in distance]
    order = [sorted(range(count), key=row.__getitem__) for row in distance]

    def reciprocal(picture: int, k: int) -> set[int]:
        return {other for other in order[picture][: k + 1] if picture in order[other][: k + 1]}

    vectors = []
    for picture in range(count):
        own = reciprocal(picture, choice.k1)
        members = set(own)
        for member in own:
            theirs = reciprocal(member, round(choice.k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        weights = {member: math.exp(-distance[picture][member]) for member in members}
        total = sum(weights.values())
        vectors.append([weights.get(other, 0) / total for other in range(count)])
    if choice.k2 > 1:
        vectors = [np.mean([vectors[other] for other in order[p][: choice.k2]], axis=0) for p in range(count)]
    result = np.empty((queries, count - queries))
    for query, place in product(range(queries), range(count - queries)):
        pairs = list(zip(vectors[query], vectors[queries + place], strict=True))
        jaccard = 1 - sum(map(min, pairs)) / sum(map(max, pairs))
        result[query, place] = (1 - choice.share) * jaccard + choice.share * distance[query][queries + place]
    return result


def people_in_space(count: int, seed: int) -> Tensor:
    """Unit features [count, 6] in loose clusters of about five, queries and gallery alike."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(count // 5 + 1, 6, generator=generator)
    which = torch.randint(0, len(centres), (count,), generator=generator)
    features = centres[which] + 0.4 * torch.randn(count, 6, generator=generator)
    return torch.nn.functional.normalize(features, dim=1)


def people_of(features: Tensor) -> Descriptors:
    """Pictures of nobody in particular."""
    nobody = torch.zeros(len(features), dtype=torch.long)
    return Descriptors.of(features, nobody, nobody)


def distances_of(query: Tensor, gallery: Tensor, choice: Reciprocal = USUAL) -> Distances:
    return reranked_distances(people_of(query), people_of(gallery), choice)


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (Reciprocal(), 60),
        (Reciprocal(5, 3, 0.3), 60),
        (Reciprocal(7, 1, 0.0), 40),  # no averaging, and sets alone
        (Reciprocal(20, 6, 0.3), 9),  # fewer pictures than neighbours asked for
        (Reciprocal(1, 2, 0.5), 30),
    ],
)
def test_the_sets_written_out_give_the_same_distances(choice: Reciprocal, count: int) -> None:
    features, queries = people_in_space(count, seed=count), count // 4
    ours = distances_of(features[:queries], features[queries:], choice)(slice(0, queries))
    expected = reranked_by_hand(features.double().numpy(), queries, choice)
    np.testing.assert_allclose(
        ours.numpy(), expected, atol=3e-3
    )  # a few half-precision roundings, of 2 ** -11


@pytest.fixture(scope="module")
def reference() -> dict[str, NDArray]:
    with np.load(FOLDER / "evaluation.npz") as file:
        return {key: file[key] for key in file.files if key != "meta"}


def sides(reference: dict[str, NDArray]) -> list[Descriptors]:
    """Queries and gallery of the reference."""
    keys = ("features", "pids", "camids")
    return [
        Descriptors.of(*(torch.from_numpy(reference[f"{side}_{key}"]) for key in keys))
        for side in ("query", "gallery")
    ]


def test_the_originals_figures_are_met(reference: dict[str, NDArray]) -> None:
    """Exactly: the half precision that it computes in is kept."""
    retrieval = rerank(*sides(reference))
    assert retrieval.map == pytest.approx(float(reference["reranked_mAP"]), abs=1e-9)
    assert [np.float32(retrieval.cmc(k)) for k in range(1, 51)] == reference["reranked_cmc"].tolist()


def test_the_features_alone_are_the_plain_ranking(reference: dict[str, NDArray]) -> None:
    """A share of 1 only divides each query's distances by its own largest."""
    plain, all_features = rank(*sides(reference)), rerank(*sides(reference), Reciprocal(share=1.0))
    np.testing.assert_allclose(all_features.average_precision, plain.average_precision, atol=1e-3)
    assert rerank(*sides(reference)).map != pytest.approx(plain.map, abs=1e-3)


def test_a_part_of_the_queries_is_that_part_of_all_and_gallery_order_moves_with_it() -> None:
    features, order = (
        people_in_space(50, seed=1),
        torch.randperm(40, generator=torch.Generator().manual_seed(2)),
    )
    distances = distances_of(features[:10], features[10:])
    whole = distances(slice(0, 10))
    torch.testing.assert_close(distances(slice(3, 7)), whole[3:7])
    moved = distances_of(features[:10], features[10:][order])(slice(0, 10))
    torch.testing.assert_close(
        moved, whole[:, order], atol=3e-3, rtol=0
    )  # half-precision sums in another order


def test_neighbours_of_neighbours_come_before_equally_near_strangers() -> None:
    """Two pictures at the same distance of the query: the one whose neighbours are the query's is the nearer after.

    On a circle, in degrees: the query at 0, its group on one side up to 30, a stranger at -30 with a group of its own
    farther away.
    """
    degrees = torch.tensor([0.0, 30, 10, 20, 15, 25, -30, -40, -45, -50, -55])
    features = torch.stack([degrees.deg2rad().cos(), degrees.deg2rad().sin()], dim=1)
    distance = distances_of(features[:1], features[1:], Reciprocal(5, 2, 0.3))(slice(0, 1))[0]
    friend, stranger = distance[0], distance[5]
    assert friend < stranger - 0.05


def test_pictures_that_a_model_cannot_tell_apart_are_reranked_too() -> None:
    """A collapsed model: more of them than neighbours, and than rows are put together at once."""
    distance = distances_of(torch.ones(2, 4), torch.ones(600, 4))(slice(0, 2))
    assert distance.isfinite().all()


def test_what_cannot_be_reranked_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share from 0 to 1"):
        Reciprocal(share=1.5)
