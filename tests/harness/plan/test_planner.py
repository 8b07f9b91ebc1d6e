"""`plan` says what would be done, counts it right, and starts nothing."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
import torch

from harness.cli.main import main
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity as identity_module
from harness.plan.forecast import Host, RequestedCell, forecast
from harness.plan.planner import make_plan
from harness.plan.throughput import Throughput
from harness.plan.workload import Work, count_work
from harness.report.plan import brief, markdown
from harness.store.records import Results
from harness.system.devices import choose_device, describe_device, device_without_torch, suitable_slots
from pivl.data.sampler import identity_batches, shuffled_batches
from pivl.recipe import CLIP_REID_CNN, EMBEDDED, Recipe
from tests.support.recorded_experiments import FOUND, drawn_cells, note_data, record_all
from tests.support.recorded_runs import complain, write_failed, write_finished, write_stage

PEOPLE = {8: 152}  # of synthped: people by their number of pictures


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def campaign(results, *studies, device="cpu (drawn)", slots=2, retry=False, **typed):
    """What `studies` on the noted data set come to."""
    experiments = [resolve(Request(study, **typed)) for study in studies]
    requested = [RequestedCell(q.name, cell, PEOPLE) for q in experiments for cell in drawn_cells(q, results)]
    plan = make_plan([asker.cell for asker in requested], results, retry)
    host = Host(device, slots, Throughput.read(results, device))
    return forecast([q.name for q in experiments], requested, plan, results, host, True)


def find(campaign, stage, row=None):
    """The first piece of a stage that a row needs."""
    return next(
        one for one in campaign.items if one.stage == stage and (row in (None, *dict(one.rows).values()))
    )


@pytest.mark.parametrize("recipe", [EMBEDDED, CLIP_REID_CNN], ids=["embedded", "cnn"])
def test_steps_are_those_that_the_sampler_makes(recipe):
    pictures = [8] * 152 if recipe is EMBEDDED else [2, 3, 5, 9, 17, 40] * 25
    people = Counter(pictures)
    person = torch.arange(len(pictures)).repeat_interleave(torch.tensor(pictures))
    draw = torch.Generator().manual_seed(3)
    per_batch, each = recipe.people_per_batch, recipe.images_per_person
    epochs = 10
    steps = sum(len(identity_batches(person, per_batch, each, draw)) for _ in range(epochs))
    counted = count_work(recipe, "image-tower", people, None)
    assert counted.steps == pytest.approx(steps * recipe.epochs / epochs, rel=0.05)
    assert counted.images == counted.steps * per_batch * each
    shuffled = shuffled_batches(len(person), recipe.prompt_batch, draw)
    assert count_work(recipe, "identity-prompts", people, None) == Work(
        recipe.identity_epochs * len(shuffled), recipe.identity_epochs * len(person)
    )


def test_stages_of_version_2_and_trials_are_counted_as_they_are_run():
    parts, joint = (Recipe(part_text="identity+label", part_schedule=how) for how in ("after", "joint"))
    alone, both = (count_work(one, "part-prompts", PEOPLE, None) for one in (parts, joint))
    assert both.steps == pytest.approx(alone.steps * (60 + 20) / 20, abs=2)
    assert count_work(parts, "image-tower", PEOPLE, 2) == Work(2, 128)


def test_every_run_stands_once_with_its_state_and_every_stage_with_who_shares_it(results):
    note_data(resolve(Request("ablation")), results)
    first, second, third, *_ = drawn_cells(resolve(Request("ablation")), results)
    write_finished(results, first.run)
    write_failed(results, second.run)
    write_stage(results, third.run, "identity-prompts")
    found = campaign(results, "ablation", "controls")
    assert [run.state for run in found.runs][:3] == ["finished", "failed", "to do"]
    assert found.runs[1].detail == "it broke"
    assert len(found.runs) == 3 * 7
    stage = found.items[2]
    assert (stage.id, stage.state) == (third.run.stage_id("identity-prompts"), "finished")
    assert len(stage.rows) == 4 + 4  # no-text needs no prompts
    text = markdown(found)
    assert f"| {second.run.id} | ablation: clip-reid; controls: clip-reid " in text
    assert "failed: it broke" in text
    assert "ablation, controls: 1 of 21 runs are finished, 19 to do, 1 failed before" in text
    assert campaign(results, "ablation", retry=True).runs[1].state == "to do"


def test_a_run_that_a_command_is_at_is_running_and_says_whose_it_is(results):
    experiment = resolve(Request("ablation"))
    note_data(experiment, results)
    first = drawn_cells(experiment, results)[0].run
    with results.claims.take(first.id), results.claims.take(first.stage_id("identity-prompts")):
        found = campaign(results, "ablation")
        assert found.runs[0].state == "running"
        assert f"running: process {os.getpid()} on " in markdown(found)
        assert "0 of 12 runs are finished, 1 running, 11 to do" in markdown(found)
        assert found.items[0].is_open
    assert campaign(results, "ablation").runs[0].state == "to do"


def test_sharing_saves_what_rows_would_do_again(results):
    note_data(resolve(Request("ablation")), results)
    found = campaign(results, "ablation")
    identity, part = find(found, "identity-prompts"), find(found, "part-prompts")
    assert identity.work == Work(60 * 19, 60 * 1216)
    alone = 12 * identity.work.steps + 6 * part.work.steps + 12 * find(found, "image-tower").work.steps
    saved = 9 * identity.work.steps + 3 * part.work.steps
    assert f"6 stages are shared between rows ({saved:,} of {alone:,} steps saved" in markdown(found)


def test_time_is_as_measured_on_this_device_and_else_not_said(results):
    experiment = resolve(Request("ablation"))
    cells = record_all([experiment], results)
    for cell in cells:
        if cell.row != "clip-reid" or cell.run.seed == 0:  # of CLIP-ReID a run is left, without its stage
            continue
        (results.run_folder(cell.run.id) / "record.json").unlink()
    found = campaign(results, "ablation", rows="clip-reid", device="cpu (another)")
    assert found.seconds is None
    assert "no measurement yet of identity-prompts, clip-reid on cpu (another), 2 at a time" in markdown(
        found
    )
    found = campaign(results, "ablation", rows="clip-reid")
    run = find(found, "image-tower")
    training = 6 * 64 / 200  # what write_finished says: 6 steps at 200 images/s, and 3.5 s in all
    assert run.seconds == pytest.approx(run.work.images / 200 + 3.5 - training)
    assert [piece.stage for piece in found.unmeasured] == 2 * ["identity-prompts"]
    for cell in drawn_cells(experiment, results):
        write_stage(results, cell.run, "identity-prompts")
    found = campaign(results, "ablation", rows="clip-reid", slots=2)
    assert found.seconds == pytest.approx(run.seconds)  # two runs, side by side
    assert campaign(results, "ablation", rows="clip-reid", slots=1).seconds == pytest.approx(2 * run.seconds)
    folders = (results.run_folder(cell.run.id) for cell in cells)
    size = max(sum(path.stat().st_size for path in folder.glob("[!r]*")) for folder in folders)
    assert [piece.size for piece in found.open] == [size, size]


def test_what_is_needed_on_disk_is_what_such_runs_left_and_too_little_room_is_said(results):
    cells = record_all([resolve(Request("ablation", rows="clip-reid"))], results)
    write_stage(results, cells[0].run, "identity-prompts")
    found = campaign(results, "ablation", rows="clip-reid", seeds="3,4")
    needed = sum(piece.size for piece in found.open)
    assert len(found.open) == 4
    assert "TOO LITTLE" not in brief(replace(found, free=needed))[-1]
    assert "TOO LITTLE" in brief(replace(found, free=needed - 1))[-1]


def plan(results, *typed):
    """The exit status of `plan` on `results`."""
    with pytest.raises(SystemExit) as end:
        main(["plan", *typed, "--results", str(results.root)])
    return end.value.code


def test_nothing_is_started_nor_rendered_and_ids_wait_for_the_pictures(results, cache, capsys):
    assert plan(results, "all") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "run ids are known once `run` has rendered the images" in told.out
    assert "| Run" not in told.out
    assert "1,140" in told.out  # the work is known all the same
    assert {path.name for path in cache.glob("*")} <= {"digests"}  # of weights; nothing is rendered
    assert not results.root.exists()


def test_json_says_the_same_and_null_for_what_is_not_known(results, cache, capsys):
    assert plan(results, "ablation", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {run["id"] for run in document["runs"]} == {None}
    note_data(resolve(Request("ablation")), results)
    assert plan(results, "ablation", "--format", "json", "--jobs", "3") == 0
    document = json.loads(capsys.readouterr().out)
    assert [run["id"] for run in document["runs"]] == [
        cell.run.id for cell in drawn_cells(resolve(Request("ablation")), results)
    ]
    assert document["open"]["runs"] == 12
    assert document["open"]["stages"] == 6
    assert document["open"]["seconds"] is None
    assert document["runs_at_a_time"] == 3
    stage = document["stages"][0]
    assert (stage["stage"], stage["work"]["steps"], stage["saved_steps"]) == ("identity-prompts", 1140, 3420)


def test_a_noted_plan_is_there_at_once_and_loads_nothing_heavy(results):
    record_all([resolve(Request("ablation"))], results)
    identity_module.remember_people(resolve(Request("ablation")).inputs, FOUND, results)
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    typed = ["plan", "ablation", "--device", "cpu", "--results", str(results.root)]
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *typed], capture_output=True, text=True, check=True)
    assert time.monotonic() - began < 4  # a second and a half on a quiet machine
    assert done.stdout.splitlines()[-1] == "[]"
    assert "12 of 12 runs are finished" in done.stdout


def test_a_device_is_foreseen_as_it_will_be_recorded():
    device = choose_device("cpu")
    assert device_without_torch("cpu") == (describe_device(device), suitable_slots(device))
    auto = choose_device("auto")
    assert device_without_torch("auto") == (describe_device(auto), suitable_slots(auto))


def test_models_to_be_scored_anew_are_counted(results, cache, capsys):
    record_all([resolve(Request("ablation"))], results)
    assert plan(results, "ablation", "--rerank") == 0
    told = capsys.readouterr().out
    assert "0 of 12 runs are finished" not in told
    assert "- 12 models to score with re-ranking\n" in told
    assert plan(results, "ablation", "--rerank", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["open"]["rerankings"] == 12
    assert plan(results, "ablation") == 0
    assert "re-ranking" not in capsys.readouterr().out


def test_a_thousand_seeds_are_planned_in_seconds(results, capsys, monkeypatch):
    """With a hash per run and stage and one look at the claims; all pairs of 6,000 would take minutes."""
    experiment = resolve(Request("ablation", seeds="0-999"))
    note_data(experiment, results)
    began = time.process_time()
    assert plan(results, "ablation", "--seeds", "0-999", "--device", "cpu", "--format", "json") == 0
    assert time.process_time() - began < 12  # 5 s with torch loaded
    document = json.loads(capsys.readouterr().out)
    assert (len(document["runs"]), len(document["stages"])) == (4000, 2000)


def test_a_change_that_some_rows_do_not_take_on_is_said_before_anything_is_done(results, cache, capsys):
    assert plan(results, "ablation", "--set", "fusion=last", "--device", "cpu") == 0
    assert "--set fusion does not reach pi-vl, which have their own" in capsys.readouterr().err
    assert plan(results, "ablation", "--set", "people_per_batch=0") == 2
    assert capsys.readouterr().err == "pivl-bench: --set: people_per_batch is 0; it must be at least 2\n"
