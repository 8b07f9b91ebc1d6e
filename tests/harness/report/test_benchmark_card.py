"""The benchmark's card says of every criterion what was measured and whether that meets it."""

import pandas as pd
import pytest
import torch

from harness.report.benchmark_card import describe, measure_person_cells
from harness.store.records import Finished
from pivl.synthped.benchmark import SYNTHPED
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.towers.file_formats.weights_file import read_state


def _run(seed: int, score: float) -> Finished:
    record = {"fingerprint": "0123456789ab"}
    return Finished("id", seed, {"mAP": score}, "signature", pd.DataFrame(), "cpu", "commit", record)


def _known() -> dict:
    return read_state(CLIP_WEIGHTS["tiny"])[1]["extra"]["criteria"]


def _met(card: str, criterion: str) -> str:
    (line,) = (line for line in card.splitlines() if line.startswith(f"| {criterion}"))
    return line.split("|")[-2].strip()


@pytest.mark.parametrize(
    ("scores", "met"), [((44.0, 45.9), "no"), ((58.0, 60.0), "yes"), ((70.0, 66.0), "no")]
)
def test_the_baseline_must_have_room_to_rise_and_to_fall(scores, met):
    card = describe(
        SYNTHPED, [_run(seed, score) for seed, score in enumerate(scores)], _known(), 0.44, {}, {}
    )
    assert _met(card, "CLIP-ReID's mAP") == met
    assert f"{sum(scores) / 2:.1f} % ({scores[0]:.1f}, {scores[1]:.1f})" in card
    assert "0123456789ab" in card


def test_what_the_tiny_clip_knows_is_read_from_its_own_file():
    card = describe(SYNTHPED, [_run(0, 58.0)], _known(), 0.44, {}, {})
    assert _met(card, "caption retrieval") == "yes"
    assert _met(card, "its zero-shot part accuracy") == "yes"
    worse = _known()
    worse["parts"] = {"accuracy": 0.2, "majority": 0.3}
    worse["image_to_text"]["at_1"] = 0.26
    card = describe(SYNTHPED, [_run(0, 58.0)], worse, 0.44, {}, {})
    assert _met(card, "caption retrieval") == "no"
    assert _met(card, "its zero-shot part accuracy") == "no"


def test_a_part_that_is_lost_on_the_grid_is_named():
    known = _known()
    known["kept"]["foreground 4"]["scarf"] = 0.125
    card = describe(SYNTHPED, [_run(0, 58.0)], known, 0.44, {}, {})
    assert "least: scarf, 12%" in card
    assert _met(card, "every part survives") == "no"


def test_the_most_that_it_can_show_is_the_contrast_of_descriptions_and_random_vectors():
    gain = {"mean": 0.31, "low": -0.67, "high": 1.28, "minimum_detectable": 1.31}
    other = {
        "row": "pi-vl",
        "against": "random-targets",
        "map_gain": {**gain, "mean": 9.0},
        "verdict": "better",
    }
    most = {"row": "descriptions", "against": "random-targets", "map_gain": gain, "verdict": "inconclusive"}
    card = describe(SYNTHPED, [_run(0, 58.0)], _known(), 0.44, {}, {"controls": {"contrasts": [other, most]}})
    assert "| controls: descriptions " in card
    assert "| +0.31 [-0.67, +1.28] | inconclusive | 1.31 " in card
    assert "The most that it can show" not in describe(SYNTHPED, [_run(0, 58.0)], _known(), 0.44, {}, {})


def test_cells_of_people_are_counted_and_held_to_what_was_asked():
    part_map = torch.zeros(2, 128, 64, dtype=torch.uint8)
    part_map[0, :64] = 5  # a quarter of all cells
    assert measure_person_cells(part_map) == 0.25
    for share, met in ((0.25, "no"), (0.439, "yes"), (0.55, "no")):
        card = describe(SYNTHPED, [_run(0, 58.0)], _known(), share, {}, {})
        assert _met(card, "cells of the alignment grid") == met
        assert f"{share:.1%}" in card
