"""Slices are gains of their queries: by camera, by pair of cameras, ranked naively here, and by visible parts."""

import numpy as np
import pytest
import torch

from harness.analysis import statistics
from harness.report.figures.asked import Asked
from harness.report.figures.opened import Opened
from harness.report.page.slices import (
    Pair,
    by_camera,
    by_pair,
    by_parts,
    count_parts,
    scores_by_camera,
    slices,
)
from harness.store.records import Results
from pivl.evaluation.retrieval import Descriptors, rank
from tests.support.scored_runs import build, whole_ablation

QUERIES = 120  # three of each of 40 people
CAMERA = np.arange(QUERIES) % 3


@pytest.fixture
def asked(tmp_path):
    outcomes = whole_ablation()
    for seeds in outcomes.values():
        for run in seeds.values():
            run.queries["query"] = np.arange(QUERIES)
            run.queries["camera"] = CAMERA
    return Asked(build(outcomes), outcomes, Results(tmp_path, lambda text: None))


@pytest.fixture
def pair(asked):
    return Pair(asked, *asked.pair())


def described(count, person, camera, seed):
    draw = torch.Generator().manual_seed(seed)
    return Descriptors.of(
        torch.randn(count, 8, generator=draw), torch.as_tensor(person), torch.as_tensor(camera)
    )


def test_a_camera_s_slice_is_the_gain_of_its_queries(pair):
    found = {one.name: one for one in by_camera(pair)}
    assert list(found) == ["query camera 0", "query camera 1", "query camera 2"]
    chosen = CAMERA == 1
    runs = [
        [pair.asked.runs(line.row.name)[seed].queries for seed in (0, 1, 2)]
        for line in (pair.row, pair.against)
    ]
    difference = np.stack(
        [
            (a["average_precision"] - b["average_precision"]).to_numpy()[chosen]
            for a, b in zip(*runs, strict=True)
        ]
    )
    assert found["query camera 1"].count == 40
    assert found["query camera 1"].gain == statistics.estimate(
        difference, runs[0][0]["person"].to_numpy()[chosen]
    )


def naive(query, gallery, number, camera):
    """The average precision of a query among the gallery images of one camera; nan without a right one."""
    far = (query.descriptor[number] - gallery.descriptor).square().sum(dim=1)
    right = [
        bool(gallery.person[at] == query.person[number])
        for at in far.argsort()
        if gallery.camera[at] == camera
    ]
    hits = [sum(right[: place + 1]) / (place + 1) for place, hit in enumerate(right) if hit]
    own = query.camera[number] == camera
    return np.nan if own or not hits else float(np.mean(hits))


def test_a_camera_s_gallery_is_ranked_by_itself_with_its_wrong_answers():
    query = described(12, np.arange(12) % 4, np.arange(12) % 3, 1)
    person = np.array([0, 1, 2, 3, 0, 1, -1, 2, 3, 0, -1, 1, 0, 1])
    gallery = described(14, person, np.arange(14) % 3, 2)
    found = scores_by_camera(query, gallery)
    assert found.shape == (12, 3)
    expected = [[naive(query, gallery, number, camera) for camera in range(3)] for number in range(12)]
    assert found == pytest.approx(np.array(expected), nan_ok=True)
    assert np.isnan(found[np.arange(12), np.arange(12) % 3]).all()  # nothing is asked of a query's own camera
    alone = scores_by_camera(
        query, Descriptors(gallery.descriptor[::3], gallery.person[::3], gallery.camera[::3])
    )
    assert np.isfinite(alone[:, 0]).any()  # of a gallery of one camera it is the whole retrieval
    whole = rank(query, Descriptors(gallery.descriptor[::3], gallery.person[::3], gallery.camera[::3]))
    assert alone[whole.query, 0] == pytest.approx(whole.average_precision)


def test_a_pair_s_slice_has_the_queries_of_both_cameras_over_the_other(pair):
    people = np.repeat(np.arange(40), 3)
    opened = Opened(pair.asked.runs, pair.asked.results, "cpu")
    for place, line in enumerate((pair.row, pair.against)):
        for seed in (0, 1, 2):
            both = (
                described(QUERIES, people, of, 10 * seed + place + at)
                for at, of in ((0, CAMERA), (5, CAMERA))
            )
            opened._described[line.row.name, seed] = tuple(both)
    found = {one.name: one for one in by_pair(pair, opened)}
    assert list(found) == ["cameras 0 and 1", "cameras 0 and 2", "cameras 1 and 2"]
    one = found["cameras 0 and 2"]
    assert one.count == 80
    chosen = np.flatnonzero(CAMERA != 1)
    difference = [
        [
            np.subtract(*(
                naive(*opened._described[line.row.name, seed], number, 2 - CAMERA[number])
                for line in (pair.row, pair.against)
            ))
            for number in chosen
        ]
        for seed in (0, 1, 2)
    ]  # fmt: skip
    expected = statistics.estimate(np.array(difference), people[chosen])
    assert (one.gain.mean, one.gain.low, one.gain.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=1e-4
    )


def test_numbers_of_parts_join_until_ten_people_are_one_slice(pair):
    parts = np.array([3, 5, 5, 6, 6, 6, 7, 7])[np.arange(QUERIES) // 3 % 8]
    parts[:3] = 9  # one person's alone
    found = {one.name: one.count for one in by_parts(pair, parts)}
    assert found == {"3 to 5 parts visible": 42, "6 parts visible": 45, "7 to 9 parts visible": 33}
    few = np.where(np.arange(QUERIES) < 6, 4, 8)
    assert {one.name: one.count for one in by_parts(pair, few)} == {"4 to 8 parts visible": QUERIES}


def test_parts_are_counted_without_background_and_unlabelled_pixels():
    assert count_parts(np.array([[[0, 255], [1, 1]], [[4, 2], [13, 0]], [[0, 0], [0, 0]]])).tolist() == [
        1,
        3,
        0,
    ]


def test_without_models_only_cameras_are_left_and_the_rest_is_said(pair):
    grid, said = slices(pair.asked, None, pair.row, pair.against)
    assert [row[0] for row in grid.rows] == ["query camera 0", "query camera 1", "query camera 2"]
    assert "no slice without models and images" in said.items[0]
    assert said.items[1].startswith("By occlusion there is no slice")
    assert said.items[-1].endswith("and here are 3.")
