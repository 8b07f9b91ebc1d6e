"""A process that does trials of a search until none is left: `python -m harness.search.worker WORK.json`.

It tells what goes on as JSON lines on standard output, as harness.execution.worker does. SIGTERM, like Ctrl-C, puts the
trial at hand back into the queue.
"""

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
import torch

from harness.execution.task_runner import execute, record_failure
from harness.execution.training import Watch
from harness.execution.training_log import Send
from harness.plan.planner import make_plan
from harness.plan.task import Task
from harness.search import storage
from harness.search.loop import POLL, TrialFailed, suggest, work
from harness.search.samplers import NUMBER
from harness.search.spec import Place, Search
from harness.store.claims import Owner
from harness.store.records import Finished, Results
from harness.system.devices import choose_device, suitable_slots
from harness.system.process import setup_process, take_stdout, take_termination_as_interrupt, when_input_ends
from pivl.errors import UserError


@dataclass(frozen=True)
class Objective:
    """The quantity that the search maximises, in percent, after the last epoch of the setting that a trial suggests.

    The pictures that it trains and scores on have no test people among them: harness.inputs.loading gives it a split in
    which they are replaced, and the search itself refuses inputs that are not so.
    """

    search: Search
    results: Results
    device: torch.device
    send: Send
    worker: str

    def __call__(self, trial: optuna.Trial) -> float:
        """Runs the trial. Raises TrialPruned, TrialFailed, and UserError for errors that would fail every trial."""
        send, began = self._sender(trial.user_attrs[NUMBER]), time.monotonic()
        setting = {name: suggest(trial, name, one) for name, one in self.search.parameters.items()}
        cell = self.search.cell(setting)
        trial.set_user_attr(storage.RUN, cell.run.id)
        known = {*trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values}

        def watch(epoch: int, mean_ap: float) -> None:
            if epoch not in known:  # an earlier attempt may have said it
                trial.report(mean_ap, epoch)
            send({"event": "epoch", "epoch": epoch, "mAP": mean_ap})
            is_last = epoch == cell.run.recipe.epochs  # when there is nothing left to save
            if not is_last and trial.should_prune():
                raise optuna.TrialPruned()

        try:
            for task in make_plan([cell], self.results, retry_failed=True).tasks:
                self._do(task, send, watch if task.is_run else None)
        except optuna.TrialPruned:
            shutil.rmtree(self.results.checkpoint_folder(cell.run.id), ignore_errors=True)
            send({"event": "pruned", "seconds": time.monotonic() - began})
            raise
        except (UserError, BrokenPipeError):
            raise
        except Exception as error:  # whatever it is, it is this trial's failure and not the next one's
            said = record_failure(task, error, self.results, of_run=True)
            trial.set_user_attr(storage.ERROR, said)
            send({"event": "failed", "error": said})
            raise TrialFailed(said) from error
        found = self.results.read_run(cell.run.id)
        assert isinstance(found, Finished)
        send({"event": "done", "metrics": found.metrics, "seconds": time.monotonic() - began})
        return self.search.value(found.record)

    def _do(self, task: Task, send: Send, watch: Watch | None) -> None:
        """Runs the task, unless another worker that shares the stage runs it."""
        while not task.is_stored(self.results):
            claim = self.results.claims.take(task.id)
            if isinstance(claim, Owner):
                time.sleep(POLL)
                continue
            with claim:
                if not task.is_stored(self.results):
                    execute(task, self.results, self.device, send, watch)

    def _sender(self, number: int) -> Send:
        return lambda event: self.send({**event, "trial": number})


def main(path: Path) -> int:
    """Runs as a process of its own; 0 when no trial is left to do, 2 for a user's mistake."""
    take_termination_as_interrupt()
    when_input_ends(partial(os.kill, os.getpid(), signal.SIGTERM))  # the trial at hand goes back
    given = json.loads(path.read_text())
    search, place = Search.from_json(given["search"]), Place(Path(given["folder"]), given["url"])
    send = take_stdout()
    results = Results(Path(given["results"]), lambda text: send({"event": "warning", "message": text}))
    try:
        device = choose_device(given["device"])
        send({"event": "ready", "device": device.type, "slots": suitable_slots(device)})
        setup_process()
        with storage.alive(place) as worker:
            objective = Objective(search, results, device, send, worker)
            work(storage.join(search, place), search, place, given["total"], objective)
    except UserError as error:
        send({"event": "user-error", "message": str(error)})
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 1  # stopped, or the parent is gone
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
