"""The way of align_weight from the option to the loss: the functions that hand it on, with the process boundary."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import pytest

import pivl.stages.image_alignment
from harness.cli.run import run
from harness.execution import worker
from harness.plan.preparation import prepare
from harness.store.records import Results
from harness.system.worker_process import WorkerProcess
from tests.support.bmp_people import QUIET, ask_about, write_people
from tests.support.recorded_runs import complain

ROOT = Path(__file__).parents[2]
ROOMS = tuple(str(ROOT / name) for name in ("pivl", "studies", "harness"))
WEIGHT = 0.71828  # as no other number of a recipe


def holds(value, seen=()):
    """Whether `value` is the weight or has it inside: in a text, a collection or a field."""
    if isinstance(value, str | float):
        return str(WEIGHT) in str(value)
    if id(value) in seen or isinstance(value, type):
        return False
    seen = (*seen, id(value))
    if is_dataclass(value):
        return any(holds(getattr(value, item.name, None), seen) for item in fields(value))
    if isinstance(value, Mapping):
        return any(holds(one, seen) for one in [*value.keys(), *value.values()])
    return isinstance(value, list | tuple | set) and any(holds(one, seen) for one in value)


def carriers(frame):
    """The functions of ours on the stack of `frame`, outermost first, of whose values one holds the weight."""
    found = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(ROOMS) and any(map(holds, frame.f_locals.values())):
            found.append(frame.f_code.co_qualname)
        frame = frame.f_back
    return found[::-1]


class Submitted(Exception):
    """The first task is on its way to a worker."""


def test_the_weight_of_the_alignment_takes_nine_hops_from_the_option_to_the_loss(
    tmp_path, cache, monkeypatch
):
    """A hop: a function hands the weight, in whatever value, to the next, or to another process."""
    csv, results = write_people(tmp_path / "data"), Results(tmp_path / "results", complain)
    command, loss = [], []

    def submit(self, value):
        assert holds(value)
        command.extend(carriers(sys._getframe(1)))
        raise Submitted

    monkeypatch.setattr(WorkerProcess, "submit", submit)
    typed = [
        "ablation", "--preset", "smoke", "--rows", "clip-reid,pi-vl", "--seeds", "0", "--dataset", str(csv),
        "--part-maps", str(csv.parent / "maps"), "--backbone", "tiny", "--no-mlflow", "--results", str(results.root),
        "--set", "people_per_batch=2", "--set", "prompt_batch=8", "--set", f"align_weight={WEIGHT}",
    ]  # fmt: skip
    with pytest.raises(Submitted):
        run.main(typed, standalone_mode=False)

    real = pivl.stages.image_alignment.alignment

    def alignment(*given):
        loss.append(carriers(sys._getframe(1)))
        return real(*given)

    monkeypatch.setattr(pivl.stages.image_alignment, "alignment", alignment)
    events = []
    monkeypatch.setattr(worker, "take_stdout", lambda: events.append)
    experiment = ask_about(csv)
    experiment = replace(experiment, limit_steps=1, changes={**experiment.changes, "align_weight": WEIGHT})
    tasks = prepare([experiment], results, QUIET, False).plan.tasks
    monkeypatch.setattr(worker, "hear_launcher", lambda claims: (json.dumps(asdict(task)) for task in tasks))
    assert worker.main(["--results", str(results.root), "--device", "cpu"]) == 0, events
    assert command == ["run", "run", "_answer", "LocalLauncher.run"]
    assert loss == [
        [
            "attempt",
            "execute",
            "StageTraining.run",
            "run_stage",
            "Trainer.align_images",
            "align_images.<locals>.terms",
        ]
    ]
    assert len(command) + len(loss[0]) - 1 <= 9
