"""One trial of a search: what it trains and reports, and what becomes of it when it is bad, breaks or is stopped."""

from contextlib import ExitStack
from dataclasses import replace

import optuna
import pytest
import torch

from harness.search import storage, worker
from harness.search.loop import attempt, work
from harness.search.spec import Place
from harness.search.worker import Objective
from harness.store.records import Failed, Results
from pivl.errors import TrainingFailed, UserError
from tests.support.recorded_runs import complain, write_finished, write_stage
from tests.support.searches import search_of


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A search whose tasks are done in no time by `execute`, which a test may replace, and what was done and said."""

    class Bench:
        search, place = search_of(pruner="none"), Place(tmp_path / "searches" / "mine")
        results, done, said = Results(tmp_path, complain), [], []

        def execute(self, task, results, device, send, watch):
            self.done.append((task.stage, task.inputs.held_out))
            if watch is None:
                write_stage(results, task.run, task.stage)
                return
            for epoch in range(1, 9):
                watch(epoch, 40.0 + epoch)
            write_finished(results, task.run)

        def run(self, total=1):
            storage.begin(self.search, self.place)
            study = storage.join(self.search, self.place)
            with storage.alive(self.place) as name:
                objective = Objective(self.search, self.results, torch.device("cpu"), self.said.append, name)
                work(study, self.search, self.place, total, objective)
            return self.trials()

        def trials(self):
            return storage.trials(storage.find("mine", self.place)[1])

    bench = Bench()
    monkeypatch.setattr(worker, "execute", lambda *given: bench.execute(*given))
    return bench


def test_a_trial_trains_its_stages_on_held_out_people_and_only_the_last_is_watched(bench):
    (trial,) = bench.run()
    assert bench.done == [("identity-prompts", 0), ("part-prompts", 0), ("image-tower", 0)]
    found = bench.results.read_run(trial.run)
    assert trial.value == found.metrics["mAP"]
    assert trial.epochs == {epoch: 40.0 + epoch for epoch in range(1, 9)}
    assert bench.said[-1]["event"] == "done"
    assert {event["trial"] for event in bench.said} == {0}


def test_what_is_stored_is_not_done_again(bench):
    bench.run(1)
    bench.run(2)
    assert [stage for stage, _ in bench.done].count("identity-prompts") == 1
    assert [stage for stage, _ in bench.done].count("image-tower") == 2


def test_a_pruned_trial_leaves_neither_record_nor_checkpoints(bench):
    bench.search = replace(bench.search, pruner="median")

    def decline(task, results, device, send, watch):
        if watch:
            checkpoints = results.checkpoint_folder(task.run.id)
            checkpoints.mkdir(parents=True)
            first = task.run.recipe.align_weight == 1
            for epoch in range(1, 9):
                watch(epoch, 50.0 if first or len(bench.trials()) < 6 else 10.0)
            checkpoints.rmdir()
            write_finished(results, task.run)
        else:
            write_stage(results, task.run, task.stage)

    bench.execute = decline
    trials = bench.run(7)
    assert [trial.state for trial in trials].count("finished") == 5
    pruned = trials[-1]
    assert (pruned.state, pruned.epochs) == ("pruned", {1: 10.0, 2: 10.0})
    assert bench.results.read_run(pruned.run) is None
    assert not bench.results.checkpoint_folder(pruned.run).exists()


def test_a_trial_that_falls_behind_only_at_its_end_has_finished(bench):
    bench.search = replace(bench.search, pruner="median")

    def fade(task, results, device, send, watch):
        if watch is None:
            write_stage(results, task.run, task.stage)
            return
        late = len(bench.trials()) == 7
        for epoch in range(1, 9):
            watch(epoch, 10.0 if late and epoch == 8 else 50.0)
        write_finished(results, task.run)

    bench.execute = fade
    assert bench.run(7)[-1].state == "finished"


def test_a_failure_is_the_trials_own_and_recorded(bench):
    def diverge(task, results, device, send, watch):
        raise TrainingFailed("the loss is not finite in epoch 1")

    bench.execute = diverge
    trials = bench.run(2)
    assert [(trial.state, trial.error) for trial in trials] == [
        ("failed", "the loss is not finite in epoch 1")
    ] * 2
    found = bench.results.read_run(trials[0].run)
    assert isinstance(found, Failed)
    assert found.error == "the loss is not finite in epoch 1"


@pytest.mark.parametrize("error", [UserError("the disk is full"), KeyboardInterrupt(), BrokenPipeError()])
def test_what_is_not_the_trials_fault_puts_it_back(bench, error):
    usual = bench.execute

    def stop(task, results, device, send, watch):
        if watch:
            for epoch in (1, 2):
                watch(epoch, 40.0 + epoch)
        raise error

    bench.execute = stop
    with pytest.raises(type(error)):
        bench.run()
    (trial,) = bench.trials()
    assert trial.state == "waiting"
    bench.execute = usual
    (trial,) = bench.run()
    assert trial.state == "finished"
    assert sorted(trial.epochs) == list(range(1, 9))


def test_a_trial_that_nobody_asked_for_is_none(bench):
    """A worker that cannot see the others' turns may find the queue empty after all."""
    storage.begin(bench.search, bench.place)
    study = storage.join(bench.search, bench.place)
    objective = Objective(bench.search, bench.results, torch.device("cpu"), bench.said.append, "me")
    attempt(study, objective, ExitStack())
    assert bench.trials() == []
    assert [trial.state for trial in study.trials] == [optuna.trial.TrialState.FAIL]
    assert bench.done == []
