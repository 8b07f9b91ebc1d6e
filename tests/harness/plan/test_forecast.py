"""The forecast of an experiment counts what would be done: work, sharing, states, time as measured, room on disk."""

import os
from collections import Counter
from dataclasses import replace

import pytest
import torch

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan.forecast import Host, RequestedCell, forecast
from harness.plan.planner import make_plan
from harness.plan.throughput import Throughput
from harness.plan.workload import Work, count_work
from harness.report.plan import brief, markdown
from harness.store.records import Results
from pivl.data.sampler import identity_batches, shuffled_batches
from pivl.recipe import CLIP_REID_CNN, Recipe
from pivl.synthped.recipe import EMBEDDED
from studies.catalog import STUDIES
from tests.support.recorded_experiments import drawn_cells, note_data, record_all
from tests.support.recorded_runs import complain, write_failed, write_finished, write_stage

SEEDS = len(STUDIES["ablation"].seeds)
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
    return forecast(experiments, requested, plan, results, host, True)


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
    parts, joint = (
        Recipe(part_text="identity+label", part_schedule=how, global_text="tuned")
        for how in ("after", "joint")
    )
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
    runs = SEEDS * (4 + 13 - 2)
    assert len(found.runs) == runs
    stage = found.items[2]
    assert (stage.id, stage.state) == (third.run.stage_id("identity-prompts"), "finished")
    assert len(stage.rows) == 4 + 12  # no-text needs no prompts
    text = markdown(found)
    title, table, *_ = text.split("\n\n")
    assert title == "### Plan of ablation, controls on synthped"
    assert table.startswith("| Stage")  # what it costs stands before the list of runs
    assert text.index("runs are finished") < text.index("| Run ")
    assert f"| {second.run.id} | ablation: clip-reid; controls: clip-reid " in text
    assert "failed: it broke" in text
    assert f"ablation, controls: 1 of {runs} runs are finished, {runs - 2} to do, 1 failed before" in text
    assert campaign(results, "ablation", retry=True).runs[1].state == "to do"


def test_a_run_that_a_command_is_at_is_running_and_says_whose_it_is(results):
    experiment = resolve(Request("ablation"))
    note_data(experiment, results)
    first = drawn_cells(experiment, results)[0].run
    with results.claims.take(first.id), results.claims.take(first.stage_id("identity-prompts")):
        found = campaign(results, "ablation")
        assert found.runs[0].state == "running"
        assert f"running: process {os.getpid()} on " in markdown(found)
        assert f"0 of {4 * SEEDS} runs are finished, 1 running, {4 * SEEDS - 1} to do" in markdown(found)
        assert found.items[0].is_open
    first = campaign(results, "ablation").runs[0]
    assert (first.state, first.detail) == ("to do", "")
    left = results.checkpoint_folder(first.id) / "00000007-0.safetensors"
    left.parent.mkdir(parents=True)
    left.touch()
    assert campaign(results, "ablation").runs[0].detail == "from a checkpoint"
    assert f"| {first.id} | clip-reid      |      0 | to do from a checkpoint |" in markdown(
        campaign(results, "ablation")
    )


def test_sharing_saves_what_rows_would_do_again(results):
    note_data(resolve(Request("ablation")), results)
    found = campaign(results, "ablation")
    identity, part = find(found, "identity-prompts"), find(found, "part-prompts")
    assert identity.work == Work(60 * 19, 60 * 1216)
    alone = 4 * identity.work.steps + 2 * part.work.steps + 4 * find(found, "image-tower").work.steps
    saved = 3 * identity.work.steps + part.work.steps
    alone, saved = SEEDS * alone, SEEDS * saved
    assert f"{2 * SEEDS} stages are shared between rows ({saved:,} of {alone:,} steps saved" in markdown(
        found
    )


def test_time_is_as_measured_on_this_device_and_else_not_said(results):
    experiment = resolve(Request("ablation", seeds="0-2"))
    cells = record_all([experiment], results)
    for cell in cells:
        if cell.row != "clip-reid" or cell.run.seed == 0:  # of CLIP-ReID a run is left, without its stage
            continue
        (results.run_folder(cell.run.id) / "record.json").unlink()
    found = campaign(results, "ablation", rows="clip-reid", seeds="0-2", device="cpu (another)")
    assert found.seconds is None
    assert "no measurement yet of identity-prompts, clip-reid on cpu (another), 2 at a time" in markdown(
        found
    )
    found = campaign(results, "ablation", rows="clip-reid", seeds="0-2")
    run = find(found, "image-tower")
    training = 6 * 64 / 200  # what write_finished says: 6 steps at 200 images/s, and 3.5 s in all
    assert run.seconds == pytest.approx(run.work.images / 200 + 3.5 - training)
    assert [piece.stage for piece in found.unmeasured] == 2 * ["identity-prompts"]
    for cell in drawn_cells(experiment, results):
        write_stage(results, cell.run, "identity-prompts")
    found = campaign(results, "ablation", rows="clip-reid", seeds="0-2", slots=2)
    assert found.seconds == pytest.approx(run.seconds)  # two runs, side by side
    found = campaign(results, "ablation", rows="clip-reid", seeds="0-2", slots=1)
    assert found.seconds == pytest.approx(2 * run.seconds)
    longer = campaign(results, "ablation", rows="clip-reid", seeds="0", overrides=("epochs=80", "rate=1e-4"))
    assert (
        find(longer, "image-tower").seconds > 5 * run.seconds
    )  # a test run tells how long a whole one takes
    folders = (results.run_folder(cell.run.id) for cell in cells)
    size = max(sum(path.stat().st_size for path in folder.glob("[!r]*")) for folder in folders)
    assert [piece.size for piece in found.open] == [size, size]


def test_what_is_needed_on_disk_is_what_such_runs_left_and_too_little_room_is_said(results):
    cells = record_all([resolve(Request("ablation", rows="clip-reid", seeds="0"))], results)
    write_stage(results, cells[0].run, "identity-prompts")
    found = campaign(results, "ablation", rows="clip-reid", seeds="1,2")
    needed = sum(piece.size for piece in found.open)
    assert len(found.open) == 4
    assert "TOO LITTLE" not in brief(replace(found, free=needed))[-1]
    assert "TOO LITTLE" in brief(replace(found, free=needed - 1))[-1]


def test_records_without_weights_are_finished_and_nothing_is_said_of_them(results):
    experiment = resolve(Request("ablation", seeds="0"))
    note_data(experiment, results)
    for cell in drawn_cells(experiment, results):
        for stage in cell.run.recipe.stages()[:-1]:
            write_stage(results, cell.run, stage)
        write_finished(results, cell.run)
    for path in [*results.root.glob("*/*/model.safetensors")]:
        path.unlink()
    assert {one.state for one in campaign(results, "ablation", seeds="0").items} == {"finished"}
