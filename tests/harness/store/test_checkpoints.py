"""Checkpoints: a task left at any instant goes on from the newest sound one, and ends as if it had never been left."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.execution.training import StageTraining
from harness.execution.training_log import TrainingLog
from harness.store.checkpoints import Checkpoint, Checkpoints, Interval, read_sound
from harness.store.records import Results
from pivl.errors import UserError
from tests.support.recorded_runs import HERE, checkpoint, complain, draw_run, write_finished, write_stage
from tests.support.tiny_models import RECIPE, tiny_trainer

EPOCH, ALWAYS = Interval(None), Interval(0.0)
FOLDER = Path("checkpoints") / "0123456789abcdef"


class Killed(Exception):
    """Stands for the kill of a process after a step."""


def checkpoints(folder: Path, warn=complain, interval: Interval = EPOCH) -> Checkpoints:
    return Checkpoints(folder / FOLDER, interval, warn)


def names(folder: Path) -> list[str]:
    """The files of the task's checkpoints, hidden ones too, by the steps that were done."""
    return sorted(path.name.partition("-")[0] for path in (folder / FOLDER).iterdir())


def train(folder: Path, until: int | None = None, warn=complain, interval: Interval = EPOCH, origin=HERE):
    """Stage 2 of a tiny run, killed after its step `until`: tensors, history and earlier origins."""
    monitor = TrainingLog(lambda event: None)
    trainer = tiny_trainer(replace(RECIPE, image_to_text_weight=0.0))

    def report(stage, step):
        monitor.report(stage, step)
        if len(monitor.history) == until:
            raise Killed

    task = checkpoints(folder, warn, interval)
    trainer = replace(trainer, report=report)
    state, traits = StageTraining(trainer, "image-tower", {}, task, monitor, origin).run()
    return state, monitor.history, traits.get("earlier", [])


def equal(one, other) -> bool:
    return all(torch.equal(one[name], value) for name, value in other.items())


def test_the_newest_of_two_generations_is_read_as_it_was_written(tmp_path):
    task = checkpoints(tmp_path)
    assert task.read() == Checkpoint()
    for steps in (1, 9, 10):
        task.write(checkpoint(steps))
    assert names(tmp_path) == ["00000009", "00000010"]
    found, written = checkpoints(tmp_path).read(), checkpoint(10)
    assert equal(found.snapshot.tensors, written.snapshot.tensors)
    assert (found.snapshot.stage, found.snapshot.facts) == ("image-tower", written.snapshot.facts)
    assert (found.account, found.origins) == (written.account, written.origins)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty"])
def test_a_harmed_checkpoint_is_said_and_the_one_before_it_taken(tmp_path, harm):
    task = checkpoints(tmp_path)
    for steps in (1, 2):
        task.write(checkpoint(steps))
    newest = max((tmp_path / FOLDER).iterdir())
    break_file(newest, harm)
    said = []
    again = checkpoints(tmp_path, said.append)
    assert again.read().snapshot.facts["place"][2] == 1
    assert said == [f"{newest} is not as it was written; the one before it is tried"]
    with pytest.raises(ValueError, match="not as it was written"):
        read_sound(newest)
    again.write(checkpoint(3))
    assert names(tmp_path) == ["00000001", "00000003"]  # the harmed one counts as no generation
    for path in (tmp_path / FOLDER).iterdir():
        break_file(path, harm)
    said.clear()
    assert checkpoints(tmp_path, said.append).read() == Checkpoint()
    assert [line.rpartition("; ")[2] for line in said] == [
        "the one before it is tried",
        "the stage starts again",
    ]


def break_file(path: Path, harm: str) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes({"cut": content[:-9], "flip": content, "empty": b""}[harm])


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path):
    task = checkpoints(tmp_path)
    for steps in (1, 2):
        task.write(checkpoint(steps))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(
            UserError, match=r"cannot write .*checkpoints.*; free space or name another folder"
        ):
            task.write(checkpoint(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["00000001", "00000002"]
    assert checkpoints(tmp_path).read().snapshot.facts["place"][2] == 2


def test_a_stage_killed_at_any_step_ends_with_the_same_bits_and_history(tmp_path):
    whole, history, _ = train(tmp_path / "whole")
    assert len(history) == 4  # two epochs of two steps
    for until in range(1, 5):
        folder = tmp_path / str(until)
        with pytest.raises(Killed):
            train(folder, until)
        state, again, earlier = train(folder)
        assert equal(state, whole)
        assert (again, earlier) == (history, [])


def test_a_stage_killed_again_and_again_gets_there(tmp_path):
    """With a checkpoint after every step, kills after each: every process does one step, the last one does none."""
    whole, history, _ = train(tmp_path / "whole")
    for until in range(2, 5):
        with pytest.raises(Killed):
            train(tmp_path, until, interval=ALWAYS)
        assert names(tmp_path)[-1] == f"{until - 1:08d}"
    state, again, _ = train(tmp_path, interval=ALWAYS)
    assert equal(state, whole)
    assert again == history


def test_a_stage_whose_checkpoints_are_all_harmed_begins_anew(tmp_path):
    whole, history, _ = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path, 3)
    for path in (tmp_path / FOLDER).iterdir():
        break_file(path, "flip")
    said = []
    state, again, _ = train(tmp_path, warn=said.append)
    assert len(said) == 1
    assert equal(state, whole)
    assert again == history


def test_a_checkpoint_of_another_training_is_said_and_not_used(tmp_path):
    whole, history, _ = train(tmp_path / "whole")
    checkpoints(tmp_path).write(checkpoint(2))
    said = []
    state, again, _ = train(tmp_path, warn=said.append)
    assert len(said) == 1
    assert "it is of another training than this" in said[0]
    assert said[0].endswith("the stage starts again")
    assert equal(state, whole)
    assert again == history


def test_who_else_was_at_it_is_recorded(tmp_path):
    for device, until in (("a", 3), ("b", 4)):
        with pytest.raises(Killed):
            train(tmp_path, until, interval=ALWAYS, origin={"device": device, "date": until})
    *_, earlier = train(tmp_path, origin={"device": "c", "date": 5})
    assert earlier == [{"device": "a"}, {"device": "b"}]


def test_an_interval_is_in_minutes_or_an_epoch_as_the_data_suit():
    assert Interval.read("2.5", True) == Interval(150.0)
    assert Interval.read("epoch", False) == EPOCH
    assert (Interval.read("auto", True), Interval.read("auto", False)) == (EPOCH, Interval(600.0))


def test_what_is_stored_needs_no_checkpoints_and_what_is_not_keeps_them(tmp_path):
    results = Results(tmp_path, complain)
    run = draw_run("pi-vl")
    tasks = [run.id, run.stage_id("identity-prompts"), run.stage_id("part-prompts")]
    for task in tasks:
        Checkpoints(results.checkpoint_folder(task), EPOCH, complain).write(checkpoint(1))
    write_finished(results, run)
    write_stage(results, run, "identity-prompts")
    results.prepare()
    assert [results.checkpoint_folder(task).exists() for task in tasks] == [False, False, True]
    Checkpoints(results.checkpoint_folder(run.id), EPOCH, complain).write(checkpoint(1))
    results.prepare()
    assert results.checkpoint_folder(run.id).exists()  # it is done again
