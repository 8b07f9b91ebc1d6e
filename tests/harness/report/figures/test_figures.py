"""Figures hold the numbers of records and models, come with their data, and say in one line what they lack."""

import csv
import io
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
import torch

from harness.analysis import statistics
from harness.analysis.table import MEAN_AP
from harness.execution.stored_run import OpenedRun
from harness.report.figures.asked import Asked
from harness.report.figures.cam import cam
from harness.report.figures.catalog import NAMES, WITH_PICTURES, find_drawing
from harness.report.figures.drawing import draw_asked
from harness.report.figures.maps import Picked, match_maps
from harness.report.figures.opened import Opened
from harness.report.figures.options import FigureOptions
from harness.report.figures.plate import keep, to_csv, to_svg
from harness.report.figures.rank_lists import rank_list
from harness.report.figures.ranks import find_flips, flips, ranks
from harness.report.figures.tsne import pixels_of, tsne
from harness.store.records import Results
from pivl.errors import UserError
from pivl.evaluation.embedding import neighbour_purity
from tests.support.scored_runs import build, scored_run, whole_ablation
from tests.support.tiny_models import PI_VL, RECIPE, tiny_trainer

ROWS = {"clip-reid": RECIPE, "pi-vl": PI_VL}


def asked_of(outcomes, folder, **options):
    return Asked(build(outcomes), outcomes, Results(folder, lambda text: None), FigureOptions(**options))


@pytest.fixture
def asked(tmp_path):
    """Drawn scores, of runs that keep neither weights nor history."""
    outcomes = whole_ablation()
    for row, seeds in outcomes.items():
        for seed, run in seeds.items():
            run.queries["query"] = np.arange(len(run.queries))
            stored = {**run.record, "id": run.id, "files": {}, "stages": {}}
            outcomes[row][seed] = replace(run, record=stored)
    return asked_of(outcomes, tmp_path)


@dataclass(frozen=True)
class Tiny(Asked):
    """What is asked of tiny models, which are drawn and not trained."""

    @cached_property
    def opened(self):
        opened = Opened(self.runs, self.results, "cpu")
        for row, recipe in ROWS.items():
            for seed in self.runs(row):
                trainer = replace(tiny_trainer(recipe), seed=seed)
                trained = trainer.fresh().set_training(False)
                opened._runs[row, seed] = OpenedRun(None, trainer, trained)
        return opened


@pytest.fixture
def tiny(tmp_path):
    """Two rows of tiny models at two seeds, with drawn scores of their queries."""
    people = tiny_trainer(RECIPE).split.query.person.numpy()
    outcomes = {row: {} for row in ROWS}
    for place, row in enumerate(ROWS):
        for seed in (0, 1):
            run = scored_run(seed, 0.1 * place, people=people)
            run.queries["query"] = np.arange(len(people))
            run.queries["first_match"] = (np.arange(len(people)) + place) % 2
            outcomes[row][seed] = run
    found = asked_of(outcomes, tmp_path, queries=2)
    return Tiny(found.table, outcomes, found.results, found.options)


def test_gains_are_those_of_the_table(asked):
    plate = find_drawing("gains")(asked)
    by_row = {line.row.name: line for line in asked.table.lines}
    drawn = [one for one in plate.data if one["metric"] == MEAN_AP]
    assert {one["row"] for one in drawn} == {"part-labels", "identity-parts", "pi-vl"}
    for one in drawn:
        gain = by_row[one["row"]].gains[MEAN_AP].comparison.gain
        assert (one["gain"], one["low"], one["high"]) == (gain.mean, gain.low, gain.high)
        assert one["minimum_detectable"] == gain.minimum_detectable
    effects = [one["gain"] for one in find_drawing("choices")(asked).data if one["metric"] == MEAN_AP]
    assert effects == sorted(effects)


def test_cmc_at_1_5_and_10_is_rank_1_5_and_10(asked):
    data = find_drawing("cmc")(asked).data
    for name, k in (("Rank-1", 1), ("Rank-5", 5), ("Rank-10", 10)):
        for line in asked.table.lines:
            shares = [one["percent"] for one in data if one["row"] == line.row.name and one["k"] == k]
            assert np.mean(shares) == pytest.approx(line.means[name].mean)


@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_a_figure_has_its_data_and_caption_beside_it_and_the_same_bytes_each_time(asked, tmp_path, ending):
    first, again = (keep(find_drawing("cmc")(asked), [tmp_path / f"{one}{ending}"]) for one in "ab")
    assert [path.suffix for path in first] == [ending, ".csv", ".txt"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    rows = list(csv.DictReader(io.StringIO(first[1].read_text())))
    assert len(rows) == 4 * 3 * 20
    assert first[2].read_text().endswith(".\n")


def test_an_svg_for_a_page_is_an_element_alone(asked):
    text = to_svg(find_drawing("gains")(asked))
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")


def test_another_ending_is_refused(asked, tmp_path):
    with pytest.raises(UserError, match=r"x\.jpg: a figure is \.svg or \.png"):
        keep(find_drawing("cmc")(asked), [tmp_path / "x.jpg"])


def test_numbers_of_lines_that_lack_some_stand_in_their_columns():
    assert to_csv([{"a": 1, "b": 2}, {"b": 3, "c": 4}]) == "a,b,c\n1,2,\n,3,4\n"


def test_where_no_picture_can_be_had_the_others_still_come(asked):
    said = []
    asked = replace(asked, results=Results(asked.results.root, said.append))
    written = draw_asked("all", asked, "ablation")
    names = {path.stem.removeprefix("ablation-") for path in written}
    assert names == {*NAMES} - {*WITH_PICTURES, "curves"}  # drawn scores have no history either
    assert len(said) == 5
    assert all("\n" not in line for line in said)


@pytest.mark.parametrize("name", ["tsne", "cam", "ranks"])
def test_a_row_without_weights_is_a_line(asked, name):
    with pytest.raises(UserError, match=r"keeps no model\.safetensors, which the figure needs"):
        find_drawing(name)(asked)


def test_nothing_recorded_is_a_line(tmp_path):
    empty = asked_of({row: {} for row in ("clip-reid", "part-labels", "identity-parts", "pi-vl")}, tmp_path)
    with pytest.raises(UserError, match="no finished run to draw from"):
        find_drawing("cmc")(empty)
    with pytest.raises(UserError, match=r"has a gain|no finished run"):
        find_drawing("gains")(empty)


def test_a_rank_list_is_that_of_the_scores(tiny):
    """Against sorted cosines; pictures of the person by the query's own camera are left out."""
    opened = tiny.opened
    split = opened.split("pi-vl", 0)
    query, gallery = opened.descriptors("pi-vl", 0)
    for one in range(len(split.query)):
        found = rank_list(opened, "pi-vl", 0, one)
        cosine = (gallery.descriptor @ query.descriptor[one]).tolist()
        own = [
            at
            for at in range(len(cosine))
            if not (
                split.gallery.person[at] == split.query.person[one]
                and split.gallery.camera[at] == split.query.camera[one]
            )
        ]
        expected = sorted(own, key=lambda at: -cosine[at])[:10]
        assert list(found.found) == expected
        assert found.left_out == len(cosine) - len(own)
        assert list(found.right) == [
            bool(split.gallery.person[at] == split.query.person[one]) for at in expected
        ]


def test_flips_are_what_one_row_alone_has_right_by_falling_change(tiny):
    row, against = tiny.pair()
    assert (row.row.name, against.row.name) == ("pi-vl", "clip-reid")
    found = find_flips(tiny, row, against, 0)
    assert found["change"].is_monotonic_decreasing
    assert len(found) == len(tiny.runs("pi-vl")[0].queries)  # by turns
    plate = flips(tiny)
    assert {one["row"] for one in plate.data} == {"pi-vl", "clip-reid"}
    each = {(one["person"], one["query"]) for one in plate.data}
    assert max(sum(person == other for other, _ in each) for person, _ in each) <= 3


def test_lists_are_of_people_drawn_by_the_seed_or_named(tiny):
    people = sorted({one["person"] for one in ranks(tiny).data})
    assert len(people) == 2
    assert people == sorted({one["person"] for one in ranks(tiny).data})
    one = int(tiny.opened.split("pi-vl", 0).query.person[0])
    named = replace(tiny, options=FigureOptions(people=(one,)))
    assert {line["person"] for line in ranks(named).data} == {one}
    with pytest.raises(UserError, match=r"--people 999: none of these"):
        ranks(replace(tiny, options=FigureOptions(people=(999,))))


def test_numbers_beside_the_points_are_of_the_original_space_over_seeds_and_people(tiny):
    plate = tsne(tiny)
    numbers = [one for one in plate.data if "figure" in one]
    points = [one for one in plate.data if "x" in one]
    assert {(one["row"], one["map"]) for one in numbers} == {
        ("clip-reid", "deployed tower"), ("pi-vl", "deployed tower"), ("pi-vl", "fused map"),
    }  # fmt: skip
    assert f"n = {len(points)}" in plate.caption
    opened, shares = tiny.opened, []
    people = opened.split("clip-reid", 0).query.person.unique().tolist()  # all six
    for seed in (0, 1):
        pixels = pixels_of(opened, "clip-reid", seed, people)["deployed tower"]
        shares.append(neighbour_purity(pixels.feature, pixels.part))
    expected = statistics.estimate(np.stack(shares), pixels.person)
    (found,) = (x for x in numbers if x["row"] == "clip-reid" and x["figure"] == "purity by part")
    assert (found["mean"], found["high"]) == pytest.approx((expected.mean, expected.high))


def test_maps_of_people_have_shares_with_contrasts_for_each_row(tiny):
    plate = cam(tiny)
    person = [one for one in plate.data if one["figure"] == "person, %"]
    assert {(one["set"], one["row"]) for one in person} == {(s, r) for s in ("train", "query") for r in ROWS}
    for one in person:
        if one["set"] == "query":  # drawn classifiers may be positive nowhere
            assert 0 <= one["mean"] <= 100
            assert one["less_clip-reid_mean"] == 0 or one["row"] == "pi-vl"
    assert "share of the cosine" in plate.caption


def test_a_match_is_of_the_same_person_by_another_camera(tiny):
    run = tiny.opened.run("clip-reid", 0)
    picked = Picked.of(run.trainer.split, "query", torch.arange(4), 0)
    assert (picked.match_camera != picked.camera).all()
    assert next(iter(match_maps(run, picked).values())).shape[0] == 4
