"""How often a command resolves, lists and plans, counted while it runs."""

import pytest

import harness.experiment.resolve
import harness.plan.preparation
import pivl.data.datasets.catalog
import pivl.stages
from harness import api
from harness.launch.local import LocalLauncher
from harness.launch.task_queue import TaskQueue
from tests.support.bmp_people import write_people


@pytest.mark.parametrize("command", ["run", "plan", "table"])
def test_a_command_resolves_once_lists_twice_at_most_and_plans_once(tmp_path, cache, monkeypatch, command):
    """Of a csv on disk whose pictures are to be decoded; nothing is trained."""
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
