"""`run`: the whole way from a command to a table, on the smoke preset, with real worker processes."""

import json
import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from harness.store.records import Finished, Results
from pivl.synthped.benchmark import SYNTHPED_MINI
from tests.support.commands import (
    children,
    is_running,
    kill_all,
    run,
    run_code,
    start,
    stored,
    timeless_record,
    wait_for,
)
from tests.support.recorded_runs import complain

SMOKE = ("run", "ablation", "--preset", "smoke", "--seeds", "0")


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A folder in which CLIP-ReID and PI-VL were run at seed 0, and what was printed."""
    folder = tmp_path_factory.mktemp("answered")
    status, out, err = run(folder, *SMOKE, "--rows", "clip-reid,pi-vl")
    assert status == 0, err
    return folder, out, err


def test_a_study_is_answered_recorded_and_shown(answered):
    folder, out, err = answered
    assert "SMOKE RUN" in out
    assert "2 of 2 runs" in err
    results = Results(folder / "results", complain)
    assert len(stored(folder, "stages")) == 2  # one stage 1a serves both rows
    assert all(results.has_stage(stage.name) for stage in stored(folder, "stages"))
    runs = [results.read_run(one.name) for one in stored(folder, "runs")]
    assert len(runs) == 2
    for found in runs:
        assert isinstance(found, Finished)
        assert found.record["id"] == found.id
        assert found.metrics["mAP"] == pytest.approx(100 * found.queries["average_precision"].mean())
        assert found.metrics["rank1"] == pytest.approx(100 * (found.queries["first_match"] == 0).mean())
        assert f"q{len(found.queries)} " in found.signature
        look_alikes = found.queries.groupby("cluster")["person"].unique()
        assert {len(people) for people in look_alikes} == {SYNTHPED_MINI.family}
        steps = results.read_history(results.run_folder(found.id))
        assert steps[-1]["epoch"] == found.record["recipe"]["epochs"]
    assert (folder / "results" / "mlflow.db").exists()


def test_the_second_time_takes_seconds_loads_no_torch_and_prints_the_same(answered):
    folder, out, _ = answered
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules, file=sys.stderr)"
    )
    typed = [*SMOKE, "--rows", "clip-reid,pi-vl", "--quiet", "--no-mlflow"]
    again, seconds = run_code(code, *typed, cwd=folder)
    assert seconds < 12  # five
    assert again.stderr == "0 False\n"
    assert again.stdout == out


def test_other_forms_of_the_same_table(answered):
    folder, out, _ = answered
    asked = ("table", "ablation", "--preset", "smoke", "--rows", "clip-reid,pi-vl", "--seeds", "0")
    assert run(folder, *asked)[1] == out
    status, _, err = run(folder, *asked, "--format", "json", "--output", "table.json")
    assert (status, err) == (0, "")
    assert len(json.loads((folder / "table.json").read_text())["rows"]) == 2
    assert run(folder, *asked, "--format", "csv")[1].count("\n") == 3


def test_the_health_of_a_run_is_measured_afterwards_as_in_the_run(answered, tmp_path):
    results = Results(tmp_path / "results", complain)
    shutil.copytree(answered[0] / "results", results.root)
    records = dict(results.records("runs"))
    assert {"skill" in record["health"] for record in records.values()} == {True, False}
    for folder, record in records.items():
        bare = {name: value for name, value in record.items() if name != "health"}
        contents = {name: (folder / name).read_bytes() for name in record["files"]}
        results.write(
            folder, bare, {name: partial(Path.write_bytes, data=contents[name]) for name in contents}
        )
    assert run(tmp_path, "results", "measure", "--quiet")[:2] == (
        0,
        "measured 2 of 2 runs that had no health\n",
    )
    again = dict(results.records("runs"))
    for folder, record in records.items():
        assert again[folder]["health"] == pytest.approx(record["health"], rel=1e-3, nan_ok=True)
        assert again[folder]["metrics"] == record["metrics"]
        assert again[folder]["health_measured"]["commit"]
    assert run(tmp_path, "results", "check", "--quiet")[0] == 0
    assert run(tmp_path, "results", "measure", "--quiet")[1] == "measured 0 of 0 runs that had no health\n"


def test_a_killed_study_goes_on_and_ends_with_the_same_bits(answered, tmp_path):
    """SIGKILL in the first stage and once it is stored; what is stored then is not done again."""
    for begun in (
        lambda: list(tmp_path.glob("results/checkpoints/*/[0-9]*")) or stored(tmp_path, "stages"),
        lambda: stored(tmp_path, "stages"),
    ):
        process = start(tmp_path, *SMOKE, "--rows", "clip-reid", "--no-mlflow")
        wait_for(begun, process)
        kill_all(process)
    kept = stored(tmp_path, "stages")[0] / "record.json"
    before = kept.stat().st_mtime_ns
    status, _, err = run(tmp_path, *SMOKE, "--rows", "clip-reid", "--no-mlflow")
    assert status == 0, err
    assert kept.stat().st_mtime_ns == before
    (ours,) = stored(tmp_path, "runs")
    undisturbed = answered[0] / "results" / "runs" / ours.name
    for name in ("model.safetensors", "queries.parquet", "history.jsonl"):
        assert (ours / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert timeless_record(ours) == timeless_record(undisturbed)
    assert not list(tmp_path.glob("results/checkpoints/*"))


@pytest.mark.slow  # two runs and their stages, half a minute
def test_the_recipe_of_before_says_by_itself_that_row_4_did_not_learn(tmp_path):
    then = ("--set", "global_text=tuned", "--set", "depth_wise_start=unit")
    asked = (*SMOKE, "--rows", "clip-reid,pi-vl", *then, "--no-mlflow")
    status, out, err = run(tmp_path, *asked)
    assert status == 0, err
    assert "not learned (too few seeds)" in next(line for line in out.splitlines() if "| + hier" in line)
    assert re.search(
        r"PI-VL\)\*\*: the texts of identities that stage 2 uses lost \d+\.\d points of top-1", out
    )
    assert re.search(r"PI-VL\)\*\*: the aligned map has skill -\d", out)


@pytest.mark.slow  # three more studies, half a minute
def test_a_lost_worker_costs_one_run_and_ctrl_c_loses_nothing(tmp_path):
    process = start(tmp_path, *SMOKE[:-1], "0,1", "--rows", "clip-reid", "--no-mlflow", "--jobs", "1")
    wait_for(lambda: stored(tmp_path, "stages"), process)
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 1, err
    assert "SIGKILL" in err
    assert "1 of 2" in out
    again = start(tmp_path, *SMOKE[:-1], "0,1", "--rows", "clip-reid", "--no-mlflow", "--retry-failed")
    wait_for(lambda: children(again.pid), again)
    workers = children(again.pid)
    again.send_signal(signal.SIGINT)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 130
    assert "the same command goes on" in err
    assert not any(is_running(one) for one in workers)
    status, out, err = run(
        tmp_path, *SMOKE[:-1], "0,1", "--rows", "clip-reid", "--no-mlflow", "--retry-failed"
    )
    assert status == 0, err
    assert "failed" not in out
