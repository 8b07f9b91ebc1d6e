"""Searches whose objective is arithmetic: an Optuna study of real trials in milliseconds."""

from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from harness.inputs.spec import Inputs
from harness.search import storage as ledger
from harness.search.loop import suggest, work
from harness.search.spec import Place, Search
from harness.store.run import Run
from pivl.synthped.recipe import EMBEDDED
from studies.searches import Choice, Float

SPACE = {
    "align_weight": Float(0.01, 10, log=True),
    "triplet_weight": Float(0.05, 2),
    "background": Choice(("class", "ignore")),
}


def place_at(folder, *given):
    """The place of a search, from words of a command line."""
    return Place(Path(folder), *given)


def search_of(seed=0, sampler="tpe", pruner="median", **changes):
    recipe = replace(EMBEDDED, part_text="identity+label", **changes)
    run = Run(recipe, "drawn", "0" * 12, "f" * 64, seed)
    return Search("mine", "mine", "Mine", SPACE, run, Inputs("synthped", held_out=seed), sampler, pruner)


@dataclass
class Arithmetic:
    """Best where align_weight is 0.1 and triplet_weight 1; `on` is told every trial's number as it begins."""

    search: Search
    worker: str = "nobody"
    on: object = lambda number: None

    def __call__(self, trial):
        setting = {name: suggest(trial, name, one) for name, one in self.search.parameters.items()}
        self.on(trial.user_attrs["number"])
        value = 60 - abs(setting["align_weight"] - 0.1) - 10 * abs(setting["triplet_weight"] - 1)
        for epoch in range(1, self.search.run.recipe.epochs + 1):
            trial.report(value * epoch / 8, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned()
        return value


def do(place, total, search=None, **kept):
    """All trials by one worker; the study."""
    search = search or search_of()
    ledger.begin(search, place)
    study = ledger.join(search, place)
    with ledger.alive(place) as worker:
        work(study, search, place, total, Arithmetic(search, worker, **kept))
    return study


def facts(study):
    """What a search is about: numbers, settings, values and fates, without times."""
    return [(one.number, one.state, one.setting, one.value, one.epochs) for one in ledger.trials(study)]
