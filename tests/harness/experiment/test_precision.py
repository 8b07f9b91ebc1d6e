"""`--precision auto` beside results: what is recorded goes on in its own precision, on whatever device."""

from dataclasses import replace

import pytest

import harness.experiment.resolve
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan.preparation import note_asked
from harness.store.records import Results
from tests.support.recorded_experiments import drawn_cells

ASKED = Request("ablation", rows="clip-reid", seeds="0")


@pytest.fixture(autouse=True)
def quick_device(monkeypatch):
    """A device that computes in bf16."""
    monkeypatch.setattr(harness.experiment.resolve, "suitable_precision", lambda device: "bf16")


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path, lambda text: None)


def note(asked, results):
    experiment = resolve(asked)
    note_asked(experiment, drawn_cells(experiment, results), results)


def precision(asked, results):
    experiment = resolve(asked, results)
    return experiment.recipe(experiment.study.rows[0]).precision


def test_without_results_it_is_what_suits_the_device(results):
    assert precision(ASKED, results) == "bf16"


def test_results_in_another_precision_are_gone_on_with_in_theirs(results):
    note(replace(ASKED, precision="fp32"), results)
    assert precision(ASKED, results) == "fp32"
    assert precision(replace(ASKED, study="controls", rows=None), results) == "fp32"
    assert precision(replace(ASKED, precision="bf16"), results) == "bf16"  # what is typed is done


def test_results_in_two_precisions_or_of_other_pictures_decide_nothing(results):
    note(replace(ASKED, precision="fp32"), results)
    assert precision(replace(ASKED, preset="smoke"), results) == "bf16"
    note(replace(ASKED, precision="bf16"), results)
    assert precision(ASKED, results) == "bf16"
