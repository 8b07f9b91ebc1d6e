"""The loop of every worker of a search: trial after trial, until enough are done."""

import time
from contextlib import ExitStack
from typing import Any, Protocol

import optuna
from optuna.trial import TrialState

from harness.search import storage
from harness.search.samplers import NUMBER
from harness.search.spec import Place, Search
from studies.searches import Choice, Float

POLL = 1.0  # seconds between looks at whether a trial of somebody else is free again


class TrialFailed(Exception):
    """A trial that failed by itself; the search goes on."""


class Objective(Protocol):
    """The objective to maximise, for the worker of that name; raises TrialFailed or TrialPruned."""

    @property
    def worker(self) -> str:
        """The name that each of its trials bears."""

    def __call__(self, trial: optuna.Trial) -> float:
        """The value of a trial."""


def suggest(trial: optuna.Trial, name: str, one: Float | Choice) -> Any:
    """The trial's value of the recipe field `name`."""
    if isinstance(one, Float):
        return trial.suggest_float(name, one.low, one.high, log=one.log)
    return trial.suggest_categorical(name, one.values)


def work(study: optuna.Study, search: Search, place: Place, total: int, objective: Objective) -> None:
    """Runs trials until `total` are done; waits while other workers run theirs, in case one is requeued."""
    while True:
        with ExitStack() as turn:
            turn.enter_context(storage.turn(place))
            storage.take_over(study, place)
            trials = storage.trials(study)
            if sum(trial.done for trial in trials) >= total:
                return
            waiting = any(trial.state == "waiting" for trial in trials)
            if not waiting and len(trials) < total:
                storage.offer(study, search, len(trials))
                waiting = True
            if waiting:
                attempt(study, objective, turn)
                continue
        time.sleep(POLL)


def attempt(study: optuna.Study, objective: Objective, turn: ExitStack) -> None:
    """The trial that waits; it is another worker's turn as soon as it is ours. What interrupts it puts it back."""

    def do(trial: optuna.Trial) -> float:
        trial.set_user_attr(storage.WORKER, objective.worker)
        turn.close()
        if NUMBER not in trial.user_attrs:  # somebody who cannot see our lock was faster
            raise TrialFailed("nobody asked for it")
        return objective(trial)

    try:
        study.optimize(do, n_trials=1, catch=(TrialFailed,))
    except BaseException:
        for trial in study.get_trials(states=(TrialState.FAIL,)):
            if (
                trial.user_attrs.get(storage.WORKER) == objective.worker
                and storage.ERROR not in trial.user_attrs
            ):
                storage.again(study, trial)
        raise
