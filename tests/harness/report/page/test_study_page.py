"""The page of a study: one file, no address outside, the numbers of the table, and what is away said in a line."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from harness.experiment.request import Request
from harness.report.figures.asked import Asked
from harness.report.figures.options import FigureOptions
from harness.report.page.spread import seed_and_people, seed_scale
from harness.report.page.study_page import study_page
from harness.store.records import Results
from pivl.errors import UserError
from tests.support.scored_runs import build, whole_ablation

MINE = "mine=pi-vl,epochs=3"
REQUEST = Request(
    "ablation", preset="smoke", rows="clip-reid,pi-vl", overrides=("epochs=2", "rate=1"), own_rows=(MINE,)
)
VOID = {"meta", "img", "input", "br", "hr"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.stack, self.ids, self.addresses, self.labels = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [found[name] for name in ("src", "href", "xlink:href") if name in found]
        if tag == "svg":
            self.labels.append(found.get("aria-label"))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    outcomes = whole_ablation()
    for seeds in outcomes.values():
        for run in seeds.values():
            run.queries["query"] = np.arange(len(run.queries))
            run.queries["camera"] = np.arange(len(run.queries)) % 2
            run.record.update({"id": run.id, "files": {}, "stages": {}})
    results = Results(tmp_path_factory.mktemp("results"), lambda text: None)
    return Asked(build(outcomes), outcomes, results, FigureOptions())


@pytest.fixture(scope="module")
def page(asked):
    return study_page(asked, REQUEST)


def test_nothing_outside_the_file_is_named_and_it_is_well_formed(page):
    found = Page(page)
    assert found.stack == []
    assert not re.search(r"(?:https?:)?//\w", page)
    assert all(one.startswith(("#", "data:")) for one in found.addresses)
    assert {one.removeprefix("#") for one in found.addresses if one.startswith("#")} <= set(found.ids)
    assert all(found.labels)
    assert len(page.encode()) < 5_000_000


def test_names_within_the_page_are_its_own(page):
    shared = [one for one in Page(page).ids if not one.startswith(("gains-", "cmc-", "curves-"))]
    assert len(shared) == len(set(shared))


def test_it_has_the_answer_every_row_and_what_is_missing(asked, page):
    for line in asked.table.lines:
        gain = line.gains.get("mAP")
        assert line.row.title.removeprefix("+ ") in page
        assert gain is None or f"{gain.comparison.gain.mean:+.2f}" in page
    assert "In plain words" in page
    assert "keeps no model.safetensors" in page  # in the place of figures that need one
    assert "No rank lists" in page
    assert "By occlusion there is no slice" in page
    assert (
        "run ablation --preset smoke --rows clip-reid,pi-vl --set epochs=2 --set rate=1 --row mine=pi-vl,epochs=3"
        in page
    )


def test_spread_is_by_seeds_and_by_people(asked):
    line = asked.table.lines[0]
    seeds, people = seed_and_people(asked, line)
    assert np.mean(seeds) == pytest.approx(line.means["mAP"].mean)
    assert people > 0


def test_seeds_lie_on_one_axis_as_wide_as_they_are(asked, page):
    seeds = [seed_and_people(asked, line)[0] for line in asked.table.lines]
    low, high = seed_scale(seeds)
    assert low <= min(map(min, seeds)) < low + 1
    assert high - 1 < max(map(max, seeds)) <= high
    assert f"from {low} to {high} % mAP" in page
    drawn = [float(one) for one in re.findall(r'<circle cx="([\d.]+)" cy="8"', page)]
    assert drawn == pytest.approx(
        [5 + 120 * (one - low) / (high - low) for row in seeds for one in row], abs=0.06
    )
    assert seed_scale([[50.0, 50.0]]) == (50, 51)


def test_without_a_finished_run_there_is_no_page(tmp_path):
    names = ("clip-reid", "part-labels", "identity-parts", "pi-vl")
    empty = {name: {} for name in names}
    with pytest.raises(UserError, match="no finished run to draw from"):
        study_page(Asked(build(empty), empty, Results(tmp_path, lambda text: None)), REQUEST)
