"""How often a command resolves, lists and plans, and by how many hops a value reaches its loss, counted as they run."""

import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import pytest

import harness.experiment.resolve
import harness.plan.preparation
import pivl.data.datasets.catalog
import pivl.stages.image_alignment
from harness import api
from harness.cli.run import run
from harness.execution import worker
from harness.launch.local import LocalLauncher
from harness.launch.task_queue import TaskQueue
from harness.plan.preparation import prepare
from harness.store.records import Results
from harness.system.worker_process import WorkerProcess
from tests.support.bmp_people import QUIET, ask_about, write_people
from tests.support.recorded_runs import complain

ROOT = Path(__file__).parents[2]
ROOMS = tuple(str(ROOT / name) for name in ("pivl", "studies", "harness"))
WEIGHT = 0.71828  # as no other number of a recipe


@pytest.mark.parametrize("command", ["run", "plan", "table"])
def test_a_command_resolves_once_lists_twice_at_most_and_plans_once(tmp_path, cache, monkeypatch, command):
    """Of a csv on disk whose images are to be decoded; nothing is trained."""
    counts = dict.fromkeys(("resolve_study", "list_csv", "make_plan"), 0)

    def count(module, name):
        real = getattr(module, name)

        def counted(*given, **named):
            counts[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, counted)

    count(harness.experiment.resolve, "resolve_study")
    count(pivl.data.datasets.catalog, "list_csv")
    count(harness.plan.preparation, "make_plan")
    monkeypatch.setattr(api, "make_launcher", lambda *given: LocalLauncher(TaskQueue([], *given[1:3]), "cpu"))
    csv = write_people(tmp_path / "data")
    request = api.Request(
        "ablation", "smoke", rows="clip-reid,pi-vl", seeds="0", dataset=str(csv), backbone="tiny",
        part_maps=csv.parent / "maps", overrides=("people_per_batch=2", "prompt_batch=8"),
    )  # fmt: skip
    options = () if command == "table" else (api.Options("cpu", mlflow=False),)
    getattr(api, command)(request, tmp_path / "results", *options)
    assert counts["resolve_study"] == 1
    assert counts["list_csv"] == {"run": 2, "plan": 1, "table": 1}[command]
    assert counts["make_plan"] == (command != "table")


def test_a_worker_lists_a_data_set_once_for_all_its_tasks(tmp_path, cache, monkeypatch):
    csv, results = write_people(tmp_path / "data"), Results(tmp_path / "results", complain)
    real, listed = pivl.data.datasets.catalog.list_csv, []

    def list_csv(*given, **named):
        frames = [frame for frame, _ in traceback.walk_stack(None)]
        listed.append(any(frame.f_code is worker.main.__code__ for frame in frames))
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pivl.data.datasets.catalog, "list_csv", list_csv)
        assert do_tasks(csv, results, patch, limit_steps=1, rows=("clip-reid",), changes={}) == 2
    assert listed.count(True) == 1


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


def do_tasks(csv, results, monkeypatch, *, changes, **parts):
    """A worker, in this process, does all tasks of PI-VL on `csv`."""
    experiment = ask_about(csv)
    experiment = replace(experiment, changes={**experiment.changes, **changes}, **parts)
    tasks, events = prepare([experiment], results, QUIET, False).plan.tasks, []
    monkeypatch.setattr(worker, "take_stdout", lambda: events.append)
    monkeypatch.setattr(worker, "hear_launcher", lambda claims: (json.dumps(asdict(task)) for task in tasks))
    assert worker.main(["--results", str(results.root), "--device", "cpu"]) == 0, events
    return [event["event"] for event in events].count("done")


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

    real = pivl.stages.image_alignment.level_alignment

    def alignment(*given):
        loss.append(carriers(sys._getframe(1)))
        return real(*given)

    monkeypatch.setattr(
        pivl.stages.image_alignment, "level_alignment", alignment
    )  # which the weight multiplies
    do_tasks(csv, results, monkeypatch, limit_steps=1, changes={"align_weight": WEIGHT})
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
