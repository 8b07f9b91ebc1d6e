"""Two processes on the embedded benchmark, 20 steps of each stage; their kills; and the launcher's word about them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

import pivl.synthped
from pivl.synthped.benchmark import SYNTHPED, load
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.weights import load_clip
from pivl.train import Trainer, run_stage
from tests.support.commands import (
    children,
    is_running,
    kill_all,
    run,
    start,
    stored,
    timeless_record,
    wait_for,
)

ROOT = Path(__file__).parents[2]
PI_VL = replace(EMBEDDED, part_text="identity+label", fusion="pyramid")
SMOKE = ("run", "ablation", "--preset", "smoke", "--seeds", "0", "--rows", "clip-reid", "--no-mlflow")


def take_steps(clip) -> dict[str, list[dict[str, float]]]:
    """The terms of 20 steps of each stage."""
    seen, before = {stage: [] for stage in PI_VL.stages()}, {}

    def report(stage, step):
        seen[stage].append({name: float(value) for name, value in step.terms.items()})

    trainer = Trainer(PI_VL, load(SYNTHPED), clip, 0, torch.device("cpu"), report, limit_steps=20)
    for stage in PI_VL.stages():
        before[stage] = run_stage(trainer, stage, before)
    return seen


def main(meet: str, rank: str, ranks: str) -> None:
    """One of `ranks` processes: the steps in float32, and in float64 throughout."""
    torch.set_num_threads(1)
    place = {"rank": int(rank), "world_size": int(ranks)}
    distributed.init_process_group("gloo", init_method=f"file://{meet}", **place)
    found = {"float32": take_steps(load_clip(Path(pivl.synthped.__file__).parent / "tiny_clip.safetensors"))}
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    clip = load_clip(Path(pivl.synthped.__file__).parent / "tiny_clip.safetensors")
    clip.vision.double()
    clip.text.double()
    found["float64"] = take_steps(clip)
    distributed.destroy_process_group()
    print(json.dumps(found))


def steps_of(folder: Path, ranks: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """What rank 0 of so many processes says of its steps."""
    command = [sys.executable, "-m", "tests.end_to_end.test_ranks_embedded", str(folder / f"meet{ranks}")]
    processes = [
        subprocess.Popen([*command, str(rank), str(ranks)], cwd=ROOT, stdout=subprocess.PIPE)
        for rank in range(ranks)
    ]
    said = [process.communicate(timeout=3600)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    return json.loads(said[0])


def apart(some, others) -> list[float]:
    """The largest difference of a term in each step."""
    pairs = zip(some, others, strict=True)
    return [max(abs(one[name] - other[name]) for name in one) for one, other in pairs]


@pytest.mark.slow  # 240 steps, half of them in float64: five minutes
def test_two_processes_have_the_losses_of_one_over_twenty_steps(tmp_path):
    """In float32 stage 2 makes more of a rounding at every step: half a dozen steps, and 20 in float64.

    One process with two threads is as far from one with one thread by then (0.017 in the last of 20 steps).
    """
    alone, two = (steps_of(tmp_path, ranks) for ranks in (1, 2))
    for stage in ("identity-prompts", "part-prompts"):
        assert max(apart(alone["float32"][stage], two["float32"][stage])) < 1e-4
    assert max(apart(alone["float32"]["image-tower"], two["float32"]["image-tower"])[:5]) < 1e-4
    for stage in PI_VL.stages():
        differences = apart(alone["float64"][stage], two["float64"][stage])
        assert len(differences) == 20
        assert max(differences) < 1e-10


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run that two processes trained."""
    folder = tmp_path_factory.mktemp("two")
    status, _, err = run(folder, *SMOKE, "--gpus-per-run", "2", "--jobs", "1")
    assert status == 0, err
    return folder


def workers(process):
    """The process that leads the ranks, and those it started."""
    (first,) = children(process.pid)
    return first, children(first)


@pytest.mark.slow  # three runs of two processes each, a minute
def test_a_run_of_two_processes_that_is_killed_ends_as_if_undisturbed(undisturbed, tmp_path):
    asked = (*SMOKE, "--gpus-per-run", "2", "--jobs", "1")
    process = start(tmp_path, *asked)
    wait_for(lambda: list(tmp_path.glob("results/checkpoints/*/[0-9]*")), process)
    _, others = workers(process)
    assert len(others) == 1
    kill_all(process)  # the launcher and rank 0
    end = time.monotonic() + 30
    while is_running(others[0]) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_running(others[0])
    status, _, err = run(tmp_path, *asked)
    assert status == 0, err
    for kind in ("stages", "runs"):
        for ours, whole in zip(stored(tmp_path, kind), stored(undisturbed, kind), strict=True):
            assert timeless_record(ours) == timeless_record(whole)
            assert timeless_record(ours)["ranks"] == 2


@pytest.mark.slow  # half a minute
def test_another_rank_that_dies_is_a_failed_run(tmp_path):
    process = start(tmp_path, *SMOKE, "--gpus-per-run", "2", "--jobs", "1", "--set", "identity_epochs=500")
    wait_for(lambda: list(tmp_path.glob("results/checkpoints/*/[0-9]*")), process)
    _, (other,) = workers(process)
    os.kill(other, signal.SIGKILL)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 1
    assert "rank 1 has ended" in err
    assert "failed" in out


if __name__ == "__main__":
    main(*sys.argv[1:])
