"""Descriptors of two rows of a study, extracted and compared as anybody's are, have every figure of the study's table.

The flips of the randomisation test are drawn by names, so the methods are called as the rows are.
"""

import json

import pytest

from harness.store.records import Results
from tests.support.commands import run
from tests.support.recorded_runs import complain

METRICS = ("rank1", "rank5", "rank10", "map", "minp")

pytestmark = pytest.mark.slow


def test_every_figure_of_compare_equals_the_tables(tmp_path):
    rows = ("ablation", "--preset", "smoke", "--rows", "clip-reid,part-labels", "--seeds", "0")
    assert run(tmp_path, "run", *rows, "--no-mlflow")[0] == 0
    table = json.loads(run(tmp_path, "table", *rows, "--format", "json")[1])
    for _, record in Results(tmp_path / "results", complain).records("runs"):
        file = f"{record['recipe']['part_text']}.npz"
        status, _, said = run(
            tmp_path, "extract", record["id"], "--dataset", "synthped-mini", "--output", file
        )
        assert status == 0, said
    status, out, said = run(
        tmp_path, "compare", "clip-reid=none.npz", "part-labels=label.npz", "--format", "json"
    )
    assert status == 0, said
    compared = json.loads(out)
    assert [row["row"] for row in compared["rows"]] == ["clip-reid", "part-labels"]
    for ours, theirs in zip(table["rows"], compared["rows"], strict=True):
        for name in (*METRICS, "map_gain", "rank1_gain"):
            assert theirs[name] == ours[name], name
    assert table["rows"][1]["map_gain"] is not None
