"""A loss and a head of one's own from a folder elsewhere: worker processes train with them, and the runs open again."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from harness.execution.stored_run import open_run
from harness.store.records import Results
from pivl.fusion import OwnHead
from tests.support.commands import run
from tests.support.recorded_runs import complain

ROOT = Path(__file__).parents[2]
TINY = ("--preset", "smoke", "--seeds", "0", "--limit-steps", "2", "--no-mlflow")

pytestmark = pytest.mark.slow


def test_workers_train_with_them_and_stored_runs_open_again(tmp_path):
    study = tmp_path / "mine.py"
    study.write_text((ROOT / "examples" / "own_loss.py").read_text())
    status, _, said = run(tmp_path, "run", "--study", "mine.py", *TINY)
    assert status == 0, said
    study.write_text("raise ValueError")  # what is recorded stands by itself
    results = Results(tmp_path / "results", complain)
    records = {record["recipe"]["own_head"]: record for _, record in results.records("runs")}
    (gated,) = (record for name, record in records.items() if name)
    opened = open_run(gated, results, torch.device("cpu"))
    assert isinstance(opened.trained.head, OwnHead)
    terms = {one["recipe"]["own_loss"][:14]: results.read_history(results.run_folder(one["id"]))[0]["terms"]
             for _, one in results.records("runs")}  # fmt: skip
    assert "own" in terms["camera_centres"]
    assert "own" not in terms[""]


def test_what_a_loss_raises_is_the_failure_of_its_run_alone(tmp_path):
    text = (ROOT / "examples" / "own_loss.py").read_text()
    (tmp_path / "mine.py").write_text(
        text.replace("feature = functional", "return step.feat[0]\n    feature = functional")
    )
    status, out, said = run(tmp_path, "run", "--study", "mine.py", *TINY)
    assert status == 1
    assert "own_loss must return a scalar tensor" in out + said
    assert len([one for _, one in Results(tmp_path / "results", complain).records("runs")
                if one["status"] == "finished"]) == 2  # fmt: skip


def test_what_other_code_trained_is_trained_again_once(tmp_path):
    typed = ("run", "ablation", *TINY, "--rows", "clip-reid,part-labels", "--redo", "part-labels")
    assert run(tmp_path, *typed)[0] == 0
    results = Results(tmp_path / "results", complain)
    before = {record["id"]: record for _, record in results.records("runs")}
    for kind in ("runs", "stages"):
        for folder, record in list(results.records(kind)):
            copies = {name: partial(shutil.copyfile, folder / name) for name in record["files"]}
            results.write(folder, {**record, "codes": ["0123456789ab"]}, copies)
    (redone_run,) = (one for one, record in before.items() if record["recipe"]["part_text"] == "label")
    results.reranked_folder(redone_run).mkdir(parents=True)  # of weights that will be no more
    for done in (1, 0):
        status, _, said = run(tmp_path, *typed)
        assert status == 0
        assert f"{2 - done} of 2 runs are finished, {done} to do" in said
    for folder, record in results.records("runs"):
        redone = record["recipe"]["part_text"] == "label"
        assert record["codes"] == (before[record["id"]]["codes"] if redone else ["0123456789ab"])
        assert record["files"]["model.safetensors"] == before[folder.name]["files"]["model.safetensors"]
    assert not results.reranked_folder(redone_run).exists()
    (stage,) = (record for _, record in results.records("stages"))
    assert stage["codes"] != ["0123456789ab"]


def test_the_notebook_runs_from_any_folder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "notebook.py")],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 runs to do" in done.stdout
    assert "gradient_own_last" in done.stdout
