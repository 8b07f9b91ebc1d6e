"""Without records the figures are those of the assumptions, which are stated."""

import json

import pytest

from harness.power.assumptions import PRINTERS, RETRAINING, assume


def test_figures_follow_from_what_is_assumed_and_say_it():
    found = assume("Market-1501", 3368, 750, seeds=50, gain=0.5)
    one = next(one for one in found.scenarios if (one.deviation, one.retraining) == (10.0, 0.2))
    error = (100 * (1 + 0.2 * (3368 / 750 - 1)) / 3368 + 0.2**2 / 50) ** 0.5
    assert one.detectable == pytest.approx(2.80 * error, rel=0.03)
    told = PRINTERS["markdown"](found)
    assert "No record is used" in told
    assert told.count("**") == 2 * sum(one.detectable <= 0.5 for one in found.scenarios)
    assert json.loads(PRINTERS["json"](found))["scenarios"][0]["retraining"] == RETRAINING[0]


def test_no_number_of_seeds_is_enough_against_few_queries():
    few = [assume("mine", 300, 100, seeds).scenarios[-1].detectable for seeds in (3, 10, 100)]
    assert few == sorted(few, reverse=True)
    assert few[-1] > 2.8 * 20 / 300**0.5
