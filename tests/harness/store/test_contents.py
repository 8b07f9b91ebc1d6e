"""`results list` says what a folder holds: rows with their seeds, failures among them, and methods of other code."""

from dataclasses import replace

import numpy as np
import pytest

from harness.store.contents import NO_ROW, list_contents, list_runs, stored_tables
from harness.store.records import Results
from harness.store.row_index import AskedRow, note_rows
from tests.support.commands import run_main
from tests.support.descriptor_files import named
from tests.support.recorded_runs import complain, draw_run, write_failed, write_finished

CHANGED = {"epochs": 3, "precision": "bf16"}


@pytest.fixture
def results(tmp_path):
    found = Results(tmp_path / "results", complain)
    runs = {seed: draw_run(seed=seed) for seed in range(3)}
    for seed in (0, 2):
        write_finished(found, runs[seed], seed)
    write_failed(found, runs[1])
    asked = {seed: run.id for seed, run in runs.items()}
    note_rows([AskedRow("ablation", "drawn", "0" * 12, "clip-reid", "CLIP-ReID", CHANGED, {}, asked)], found)
    write_finished(found, draw_run("pi-vl"))
    np.savez(tmp_path / "feats.npz", **named())
    typed = (
        "compare",
        str(tmp_path / "feats.npz"),
        "--metric",
        "cosine",
        "--quiet",
        "--results",
        str(found.root),
    )
    assert run_main(*typed) == 0
    return found


def test_rows_runs_of_none_and_methods_of_other_code_are_listed(results, capsys):
    capsys.readouterr()
    row, alone, other = list_contents(results)
    assert (row.table, row.row, row.seeds, row.changed) == ("ablation", "clip-reid", "0, (1), 2", "epochs=3")
    assert row.date == "2026-11-24 06:00"
    assert row.bytes > 1000
    assert (alone.row, alone.seeds) == (NO_ROW, "0")
    assert (other.table, other.row, other.seeds) == ("external", "feats.npz", "0")
    assert run_main("results", "list", "--results", str(results.root)) == 0
    said = capsys.readouterr().out
    assert "| ablation | clip-reid | drawn" in said
    assert "epochs=3" in said


def test_rows_in_two_precisions_are_told_apart(results):
    other = draw_run(seed=5)
    write_finished(results, other)
    changed = {"precision": "fp32"}
    note_rows(
        [AskedRow("ablation", "drawn", "0" * 12, "clip-reid", "CLIP-ReID", changed, {}, {5: other.id})],
        results,
    )
    assert [one.changed for one in list_contents(results)][:2] == [
        "epochs=3, precision=bf16",
        "precision=fp32",
    ]


def test_runs_are_listed_with_ids_and_states(results, capsys):
    capsys.readouterr()
    ids = [draw_run(seed=seed).id for seed in range(3)]
    found = [(one.id, one.row, one.seed, one.state) for one in list_runs(results)]
    states = ("finished", "failed", "finished")
    assert found[:3] == [(ids[seed], "clip-reid", seed, states[seed]) for seed in range(3)]
    assert found[3][:3] == (draw_run("pi-vl").id, NO_ROW, 0)
    assert found[4][1] == "feats.npz"
    assert run_main("results", "list", "--runs", "--results", str(results.root)) == 0
    said = capsys.readouterr().out
    assert all(one in said for one in ids)
    assert "| failed" in said
    scores = [one.mean_ap for one in list_runs(results)]
    assert all(
        (score is None) == (one.state == "failed")
        for score, one in zip(scores, list_runs(results), strict=True)
    )
    assert f"| {scores[0]:.1f}" in said


def test_an_empty_or_absent_folder_is_one_line(tmp_path, capsys):
    assert run_main("results", "list", "--results", str(tmp_path)) == 2
    assert "nothing is stored" in capsys.readouterr().err
    assert run_main("results", "list", "--results", str(tmp_path / "none")) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_table_without_runs_says_which_tables_have_some(results, capsys):
    """As of another data set or backbone than was typed."""
    other = AskedRow(
        "controls", "market1501", "0" * 12, "pi-vl", "PI-VL", {}, {"backbone": "rn50"}, {0: "no run"}
    )
    note_rows([other, replace(other, table="ablation", runs={0: draw_run("pi-vl").id})], results)
    assert stored_tables(results) == [
        "ablation on drawn (3 runs)",
        "ablation on market1501 with rn50 (1 run)",
    ]
    capsys.readouterr()
    assert run_main("table", "choices", "--results", str(results.root)) == 0
    said = capsys.readouterr().err
    assert (
        f"no finished run of this table. {results.root} has ablation on drawn (3 runs); ablation on mark"
        in said
    )
