"""What launchers have in common: order, failures, and working around what other commands have."""

import io
import sys
from dataclasses import replace

import pytest

from harness.display.progress import Progress
from harness.inputs.spec import Inputs
from harness.launch.dask_cluster import DaskLauncher
from harness.launch.task_queue import TaskQueue
from harness.plan.planner import make_plan
from harness.plan.task import Cell
from harness.store.records import Failed, Finished, Results
from harness.system.gpus import Gpus, visible_gpus
from pivl.errors import UserError
from pivl.system.processes import this_process
from tests.support.foreign_claims import named, put_down
from tests.support.recorded_runs import complain, draw_run, write_finished, write_stage

DONE = {"event": "done", "metrics": {}, "seconds": 1.0}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


@pytest.fixture
def screen():
    return io.StringIO()


@pytest.fixture
def task_queue(results, screen):
    """CLIP-ReID and the second row at one seed: one stage that both start from, then two runs."""
    cells = [Cell(row, row, draw_run(row), Inputs("drawn")) for row in ("clip-reid", "part-labels")]
    return TaskQueue(
        make_plan(cells, results, False).tasks, results, Progress(screen, live=False, quiet=False)
    )


def test_runs_begin_when_their_stage_is_done(task_queue):
    stage = task_queue.begin()
    assert stage.name == "identity-prompts, seed 0"
    assert task_queue.begin() is None
    assert task_queue.handle_event(stage, {"event": "phase", "phase": "loading"}) is False
    assert task_queue.handle_event(stage, DONE) is True
    first, second = task_queue.begin(), task_queue.begin()
    assert [task.name for task in (first, second)] == ["clip-reid, seed 0", "part-labels, seed 0"]
    assert task_queue.is_open
    task_queue.handle_event(first, DONE)
    task_queue.handle_event(second, DONE)
    assert not task_queue.is_open
    assert task_queue.failed == {}


def test_a_task_that_continues_from_a_checkpoint_says_where(task_queue, screen):
    stage = task_queue.begin()
    assert task_queue.handle_event(stage, {"event": "resumed", "epoch": 3, "step": 7}) is False
    said = "identity-prompts, seed 0: continues from its checkpoint after epoch 3, step 7\n"
    assert said in screen.getvalue()


def test_the_stage_of_a_task_is_said_once(task_queue, screen, monkeypatch):
    monkeypatch.setattr("harness.display.progress.PLAIN_INTERVAL", 0.0)
    step = {"event": "step", "epoch": 1, "epochs": 60, "terms": {}, "rate": 9.0, "left": 5}
    stage = task_queue.begin()
    task_queue.handle_event(stage, {**step, "stage": "identity-prompts"})
    assert "\nidentity-prompts, seed 0: epoch 1/60, 9 images/s, 5 s left\n" in screen.getvalue()
    task_queue.handle_event(stage, DONE)
    task_queue.handle_event(task_queue.begin(), {**step, "stage": "image-tower"})
    assert "\nclip-reid, seed 0: image-tower, epoch 1/60, 9 images/s" in screen.getvalue()


def test_scores_of_a_test_run_are_not_printed(results, screen):
    run = replace(draw_run("clip-reid"), limit_steps=2)
    cells = [Cell("clip-reid", "clip-reid", run, Inputs("drawn"))]
    tried = TaskQueue(
        make_plan(cells, results, False).tasks, results, Progress(screen, live=False, quiet=False)
    )
    tried.handle_event(tried.begin(), DONE)
    tried.handle_event(tried.begin(), {**DONE, "metrics": {"mAP": 3.7, "rank1": 0.0}})
    assert "clip-reid, seed 0: test run finished in 1 s" in screen.getvalue()
    assert "mAP" not in screen.getvalue()


def test_a_failed_stage_fails_what_needs_it(task_queue, results):
    stage = task_queue.begin()
    task_queue.handle_event(stage, {"event": "failed", "error": "the loss is not finite"})
    assert not task_queue.is_open
    for task in task_queue.tasks[1:]:
        found = results.read_run(task.id)
        assert found == Failed(task.id, 0, "identity-prompts, seed 0: the loss is not finite", ())


def test_a_lost_worker_costs_its_run_and_no_other(task_queue, results):
    task_queue.handle_event(task_queue.begin(), DONE)
    lost, other = task_queue.begin(), task_queue.begin()
    task_queue.worker_died(lost, "its process was killed by SIGKILL", ["last", "words"])
    assert results.read_run(lost.id) == Failed(
        lost.id, 0, "its process was killed by SIGKILL", ("last", "words")
    )
    assert results.claims.owners() == []
    task_queue.handle_event(other, DONE)
    assert not task_queue.is_open
    assert list(task_queue.failed) == [lost.id]


def test_a_mistake_of_the_user_ends_it(task_queue):
    with pytest.raises(UserError, match="no space left"):
        task_queue.handle_event(task_queue.begin(), {"event": "user-error", "message": "no space left"})


def test_what_another_command_has_is_done_last_or_not_at_all(task_queue, results, screen, living):
    task_queue.handle_event(task_queue.begin(), DONE)
    first, second = task_queue.tasks[1:]
    owner = put_down(results.claims, named(living), first.id)
    assert task_queue.begin() == second  # around the other's
    assert task_queue.begin() is None
    assert task_queue.begin() is None
    assert screen.getvalue().count(f"clip-reid, seed 0: left to {owner}") == 1
    task_queue.handle_event(second, DONE)
    assert task_queue.is_open
    write_finished(results, first.run)
    (results.claims.folder / owner.name).unlink()
    assert task_queue.begin() is None
    assert not task_queue.is_open
    assert "clip-reid, seed 0: done by another command (2 of 2 runs)" in screen.getvalue()


def test_what_a_dead_command_had_is_taken_over(task_queue, results, living):
    task_queue.handle_event(task_queue.begin(), DONE)
    first = task_queue.tasks[1]
    owner = put_down(results.claims, named(living), first.id)
    task_queue.begin()
    assert task_queue.begin() is None
    (results.claims.folder / owner.name).rename(results.claims.folder / f"{first.id}@h~{'0' * 8}~1~1@0")
    assert task_queue.begin() is None  # of another machine: its heart may beat
    for claim in results.claims.owners(first.id):
        (results.claims.folder / claim.name).unlink()
    put_down(results.claims, type(this_process())("h", this_process().machine, 1, "never"), first.id)
    assert task_queue.begin() == first


def test_a_run_that_fails_elsewhere_counts_as_failed(task_queue, results, living):
    task_queue.handle_event(task_queue.begin(), DONE)
    first, second = task_queue.tasks[1:]
    owner = put_down(results.claims, named(living), first.id)
    assert task_queue.begin() == second
    results.write_failure(first.run, "it broke there", ())
    (results.claims.folder / owner.name).unlink()
    assert task_queue.begin() is None
    assert task_queue.failed == {first.id: "it broke there"}


def test_a_failure_of_before_is_tried_again_and_not_taken_for_a_new_one(results, screen):
    run = draw_run("clip-reid")
    write_stage(results, run, "identity-prompts")
    results.write_failure(run, "it broke", ())
    tasks = make_plan([Cell("clip-reid", "CLIP-ReID", run, Inputs("drawn"))], results, True).tasks
    task_queue = TaskQueue(tasks, results, Progress(screen, live=False, quiet=False))
    assert task_queue.begin() == tasks[0]


def test_who_comes_second_to_a_task_gives_it_back_and_looks_again_later(task_queue, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stage = task_queue.begin()
    assert task_queue.handle_event(stage, {"event": "owned"}) is True
    assert task_queue.begin() is None
    clock[0] += 1.5
    assert task_queue.begin() == stage


def test_a_death_is_not_recorded_over_what_another_command_made_of_the_run(task_queue, results, living):
    task_queue.handle_event(task_queue.begin(), DONE)
    lost, other = task_queue.begin(), task_queue.begin()
    put_down(results.claims, named(living), lost.id)
    task_queue.worker_died(lost, "its process was killed by SIGKILL", ())
    assert results.read_run(lost.id) is None
    assert task_queue.is_open
    write_finished(results, other.run)
    task_queue.worker_died(other, "its process was killed by SIGKILL", ())
    assert isinstance(results.read_run(other.id), Finished)


def test_gpus_are_lent_to_one_at_a_time_while_they_suffice(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 2,GPU-5,7")
    gpus = Gpus(visible_gpus())
    assert gpus.borrow(2) == ["0", "2"]
    with gpus.lend(2) as lent:
        assert lent == ["GPU-5", "7"]
        assert len(gpus.borrow(1)) == 1  # --jobs asked for more than there are
    assert gpus.borrow(2) == ["GPU-5", "7"]
    with pytest.raises(UserError, match="--gpus-per-run 5: this machine has 4 GPUs; use"):
        gpus.borrow(5)
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert Gpus(visible_gpus()).borrow(2) == []


def test_dask_that_is_not_installed_is_one_line(task_queue, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'pivl-bench\[dask\]'$"):
        DaskLauncher(task_queue, "cpu").run()
