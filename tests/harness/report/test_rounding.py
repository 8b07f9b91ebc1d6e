"""What rounding does to a row is measured by pairs of runs, kept by precision, and stands in the card."""

import json

import pandas as pd
import pytest

from harness.report.benchmark_card import describe
from harness.report.rounding import compare_arithmetic, keep, rounding_lines
from harness.store.records import Finished
from pivl.errors import UserError
from pivl.synthped.benchmark import SYNTHPED
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.towers.file_formats.weights_file import read_state


def runs(*scores):
    record = {"fingerprint": "0123456789ab"}
    return {
        seed: None
        if score is None
        else Finished("id", seed, {"mAP": score}, "signature", pd.DataFrame(), "cpu", "commit", record)
        for seed, score in enumerate(scores)
    }


def test_pairs_of_runs_by_hand():
    """Differences 0.3 and -0.4: of two draws of one seed the variance is d^2 / 2, pooled (0.09 + 0.16) / 4 = 0.25^2."""
    scores = compare_arithmetic({"pi-vl": runs(50, 53, 40)}, {"pi-vl": runs(50.3, 52.6, None)})
    assert scores == {"pi-vl": {"seeds": [0, 1], "here": [50, 53], "other": [50.3, 52.6]}}
    assert rounding_lines({"fp32": scores}) == [("pi-vl", "fp32", "2", "51.50", "0.25", "0.40", "2.12")]


def test_one_pair_is_no_measurement():
    with pytest.raises(
        UserError, match="pi-vl: both folders must have finished two of its seeds; run them with"
    ):
        compare_arithmetic({"pi-vl": runs(50, 53)}, {"pi-vl": runs(50)})


def test_what_was_found_is_kept_by_precision_and_stands_in_the_card(tmp_path):
    scores = compare_arithmetic({"pi-vl": runs(50, 53)}, {"pi-vl": runs(50.3, 52.6)})
    for precision in ("fp32", "bf16"):
        keep(tmp_path / "rounding.json", precision, scores)
    noted = json.loads((tmp_path / "rounding.json").read_text())
    assert noted == {"fp32": scores, "bf16": scores}
    known = read_state(CLIP_WEIGHTS["tiny"])[1]["extra"]["criteria"]
    card = describe(SYNTHPED, [*runs(50, 53).values()], known, 0.44, noted, {})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines()]
    assert ["pi-vl", "bf16", "2", "51.50", "0.25", "0.40", "2.12"] in cells
    assert "rounding" not in describe(SYNTHPED, [*runs(50, 53).values()], known, 0.44, {}, {})
