"""Retrieval scores against CLIP-ReID's own, a loop written out, and cases counted by hand."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pivl.data.normalization import HALF
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.errors import TrainingFailed, UserError
from pivl.evaluation.average_precision import step, trapezoid
from pivl.evaluation.retrieval import (
    Descriptors,
    Retrieval,
    extract,
    rank,
    rank_distances,
    score,
    squared_distances,
)
from tests.support.naive import FOLDER, retrieval_by_hand

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "evaluation.npz") as file:
        return {key: file[key] for key in file.files if key != "meta"}


def sides(reference: dict[str, np.ndarray]) -> tuple[Descriptors, Descriptors]:
    """Queries and gallery of the reference."""
    query, gallery = (
        Descriptors.of(
            *(torch.from_numpy(reference[f"{side}_{key}"]) for key in ("features", "pids", "camids"))
        )
        for side in ("query", "gallery")
    )
    return query, gallery


def described(feature: list[list[float]] | Tensor, person: list[int], camera: list[int]) -> Descriptors:
    return Descriptors.of(torch.as_tensor(feature), torch.tensor(person), torch.tensor(camera))


def rank_line(right: list[int], length: int) -> Retrieval:
    """One query of person 0 under camera 0; gallery of `length` at rising distance, person 0 at the places `right`."""
    angle = torch.linspace(0.1, 1.0, length)
    person = [0 if place in right else 1 for place in range(length)]
    gallery = described(torch.stack([angle.cos(), angle.sin()], dim=1), person, [1] * length)
    return rank(described([[1.0, 0.0]], [0], [0]), gallery)


def test_the_original_evaluation_is_met_exactly(reference: dict[str, np.ndarray]) -> None:
    """cmc and mAP of utils/metrics.py on features with distractors and people who are never a query."""
    retrieval = rank(*sides(reference))
    assert [np.float32(retrieval.cmc(k)) for k in range(1, 51)] == reference["cmc"].tolist()
    assert retrieval.map == pytest.approx(float(reference["mAP"]), abs=1e-12)


@pytest.mark.parametrize("queries", [1, 7, 1000])
def test_the_written_out_loop_agrees_query_by_query(reference: dict[str, np.ndarray], queries: int) -> None:
    retrieval = rank(*sides(reference), at_once=queries * 400)
    query, gallery = (
        features / np.linalg.norm(features, axis=1, keepdims=True)
        for features in (reference["query_features"], reference["gallery_features"])
    )
    distance = np.linalg.norm(query[:, None] - gallery[None], axis=2)
    people = (reference[name] for name in ("query_pids", "query_camids", "gallery_pids", "gallery_camids"))
    outcome = retrieval_by_hand(distance, *people)
    scored = [one for one in outcome if one is not None]
    assert retrieval.excluded == len(outcome) - len(scored)
    precision, first, inp = zip(*scored, strict=True)
    assert retrieval.first_match.tolist() == list(first)
    np.testing.assert_allclose(retrieval.average_precision, precision, rtol=1e-14)
    np.testing.assert_allclose(retrieval.inp, inp, rtol=1e-14)


def test_a_case_counted_by_hand() -> None:
    """Right answers at ranks 2 and 4 of 5: AP = (1/2 + 2/4) / 2, first match after one wrong, INP = 2/4."""
    retrieval = rank_line([1, 3], 5)
    assert retrieval.map == 0.5
    assert retrieval.first_match.tolist() == [1]
    assert (retrieval.cmc(1), retrieval.cmc(2)) == (0.0, 1.0)
    assert retrieval.mean_inp == 0.5


def test_the_same_camera_is_left_out_and_a_distractor_is_not() -> None:
    """By distance: same person and camera (left out), a distractor (wrong), the match: rank 2 of what is left."""
    features = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]]
    retrieval = rank(described(features[:1], [0], [0]), described(features, [0, -1, 0], [0, 0, 1]))
    assert retrieval.first_match.tolist() == [1]
    assert retrieval.average_precision.tolist() == [0.5]


@pytest.mark.parametrize(
    ("person", "camera", "ranks"),
    [
        ([0, 1, 1], [1, 1, 1], [1]),
        ([1, 1, 0], [1, 1, 1], [3]),
        ([1, 0, 1, 0], [1, 1, 1, 1], [2, 4]),
        ([0, 1, 0, 0], [0, 1, 1, 0], [2]),  # left out before and behind the match: only the stranger counts
    ],
)
def test_equal_distances_count_in_gallery_order(
    person: list[int], camera: list[int], ranks: list[int]
) -> None:
    same = [[0.6, 0.8]]
    retrieval = rank(described(same, [0], [0]), described(same * len(person), person, camera))
    assert retrieval.first_match.tolist() == [ranks[0] - 1]
    expected = np.mean([number / rank for number, rank in enumerate(ranks, 1)])
    assert retrieval.average_precision.tolist() == [expected]


def test_scores_depend_on_directions_only_and_not_on_gallery_order(reference: dict[str, np.ndarray]) -> None:
    order = np.random.default_rng(0).permutation(len(reference["gallery_pids"]))
    moved = {name: value[order] if name.startswith("gallery") else value for name, value in reference.items()}
    moved["query_features"] = moved["query_features"] * np.float32(8)  # a power of two changes no rounding
    before, after = rank(*sides(reference)), rank(*sides(moved))
    np.testing.assert_array_equal(before.first_match, after.first_match)
    np.testing.assert_allclose(before.average_precision, after.average_precision, rtol=1e-14)


def test_queries_without_a_match_are_counted_and_keep_their_places() -> None:
    """Person 5 is not in the gallery, person 0 is there; a query of person -1 has no match by definition."""
    query = described(torch.eye(3), [5, 0, -1], [0, 0, 0])
    retrieval = rank(query, described(torch.eye(3), [0, -1, 7], [1, 1, 1]))
    assert retrieval.query.tolist() == [1]
    assert retrieval.person.tolist() == [0]
    assert retrieval.excluded == 2


def test_what_cannot_be_ranked_is_refused() -> None:
    pair = described(torch.ones(2, 3), [0, 0], [0, 0])
    with pytest.raises(UserError, match="no query has its person in the gallery"):
        rank(pair, pair)
    with pytest.raises(TrainingFailed, match="descriptors are not finite; the training diverged"):
        described(torch.ones(2, 3) * torch.nan, [0, 0], [0, 0])
    with pytest.raises(TrainingFailed):
        described([[3e38, 3e38]], [0], [0])  # of a length that is not finite


def pictures(count: int, seed: int) -> Pictures:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (count, 3, 4, 2), dtype=torch.uint8, generator=generator)
    person = torch.arange(count) % 3
    return Pictures(image, person, torch.arange(count) % 2, None, tuple(map(str, range(count))))


def embed(image: Tensor, camera: Tensor) -> Tensor:
    return torch.cat([image.flatten(1), camera[:, None].to(image.dtype)], dim=1)


def test_every_picture_is_described_once_whatever_the_batch() -> None:
    held = pictures(7, 0)
    whole = embed((held.image.float() / 255 - 0.5) / 0.5, held.camera)
    for batch in (1, 3, 7, 8):
        found = extract(embed, held, HALF, batch, CPU)
        torch.testing.assert_close(found.descriptor, torch.nn.functional.normalize(whole, dim=1))
        assert torch.equal(found.person, held.person)
        assert torch.equal(found.camera, held.camera)


def test_no_pictures_are_one_line() -> None:
    with pytest.raises(UserError, match="no images to describe; check the split"):
        extract(embed, pictures(0, 0), HALF, 4, CPU)


def test_any_distance_is_ranked_by_its_order(reference: dict[str, np.ndarray]) -> None:
    """Times a power of two, which rounds nothing, is the same ranking; the reverse is a worse one."""
    both = sides(reference)
    distances, expected = squared_distances(*both), rank(*both)
    rising = rank_distances(lambda some: 8 * distances(some), *both)
    falling = rank_distances(lambda some: 8 - distances(some), *both)
    assert rising.average_precision.tolist() == expected.average_precision.tolist()
    assert falling.map < expected.map


def test_score_ranks_as_it_is_told_to() -> None:
    query, gallery = pictures(5, 1), pictures(12, 2)
    split = Split("test", query, query, gallery, LIP, "")

    def mirrored(query: Descriptors, gallery: Descriptors) -> Retrieval:
        return rank(replace(query, descriptor=-query.descriptor), gallery)

    told = score(embed, split, HALF, 4, CPU, mirrored)
    expected = mirrored(*(extract(embed, side, HALF, 4, CPU) for side in (query, gallery)))
    assert told.average_precision.tolist() == expected.average_precision.tolist()


def test_score_ranks_what_it_describes_and_embeds_a_shared_set_once() -> None:
    query, gallery = pictures(5, 1), pictures(12, 2)
    split = Split("test", query, query, gallery, LIP, "")
    expected = rank(*(extract(embed, side, HALF, 4, CPU) for side in (query, gallery)))
    assert score(embed, split, HALF, 4, CPU).average_precision.tolist() == expected.average_precision.tolist()

    seen: list[int] = []

    def counting(image: Tensor, camera: Tensor) -> Tensor:
        seen.append(len(image))
        return embed(image, camera)

    score(counting, replace(split, query=gallery), HALF, 5, CPU)
    assert sum(seen) == len(gallery)


MSMT17 = """
import torch
from pivl.evaluation.retrieval import Described, rank
from pivl.system.processes import peak_resident_bytes
people = torch.Generator().manual_seed(0)
draw = lambda size, count: torch.randint(0, size, (count,), generator=people)
side = lambda count: Described.of(torch.randn(count, 64), draw(3060, count), draw(15, count))
query, gallery = side(500), side(82161)
before = peak_resident_bytes()
rank(query, gallery)
print((peak_resident_bytes() - before) / 2**30)
"""


@pytest.mark.slow  # a process of its own, whose memory can be measured, and 41 million distances
def test_ranking_against_msmt17_takes_little_beside_the_descriptors() -> None:
    """64 MiB of distances at a time, however many the queries are: 500 of them take three blocks already."""
    process = subprocess.run([sys.executable, "-c", MSMT17], capture_output=True, text=True, check=True)
    assert 0.02 < float(process.stdout) < 0.15


def market_average_precision(ranks: list[int], gallery: int) -> float:
    """The area by trapezoids, place by place, as Market-1501's evaluation adds it up."""
    area, recall, precision, found = 0.0, 0.0, 1.0, 0
    for place in range(1, gallery + 1):
        found += place in ranks
        now, exact = found / len(ranks), found / place
        area += (now - recall) * (precision + exact) / 2
        recall, precision = now, exact
    return area


def test_both_conventions_of_average_precision_by_hand_and_by_place() -> None:
    """Right answers at 1 and 3: steps (1 + 2/3) / 2, trapezoids (1 + (1/2 + 2/3) / 2) / 2."""
    ranks = np.array([1, 3])
    assert step(ranks) == pytest.approx(5 / 6)
    assert trapezoid(ranks) == pytest.approx((1 + 7 / 12) / 2)
    draw = np.random.default_rng(0)
    for _ in range(50):
        drawn = np.sort(draw.choice(30, draw.integers(1, 8), replace=False)) + 1
        assert trapezoid(drawn) == pytest.approx(market_average_precision(drawn.tolist(), 30))
    assert step(np.array([1, 2, 3])) == trapezoid(np.array([1, 2, 3])) == 1
