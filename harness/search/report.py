"""Reports a search as Markdown: best setting, trials, importance, and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from tabulate import tabulate

from harness.display.text import describe_changes, duration
from harness.inputs.backbones import find_backbone
from harness.search.spec import Search
from harness.search.trials import AT_LEAST, FEWEST, QUANTILE, Trial, best
from studies.searches import SEARCHES, Choice, Float

HELD_OUT = {
    1: "training identities",
    2: "whole families of training identities",
}  # by the rule of pivl.data.holdout


def markdown(
    search: Search, trials: Sequence[Trial], importance: Mapping[str, float], figures: Sequence[str]
) -> str:
    """The whole report. `importance` is empty where too few trials have finished; `figures` are files beside it."""
    parts = [f"### {search.title}", summary(trials), recipe_changes(search)]
    if (winner := best(trials)) is not None:
        parts += [setting_table(search, winner), gain(search, trials, winner)]
    parts += [trial_table(search, trials), importance_table(importance)]
    parts += [f"![{name}]({name})" for name in figures]
    parts.append(notes(search, figures))
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(trials: Sequence[Trial]) -> str:
    """The number of trials, by state."""
    states = [trial.state for trial in trials]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{len(trials)} trials: {', '.join(counts)}."


def recipe_changes(search: Search) -> str:
    """The changes of a preset or --set to the searched recipe; empty if it is the space's own."""
    space, recipe = SEARCHES.get(search.space), search.run.recipe
    if space is None:
        return ""
    own = replace(find_backbone(search.inputs.backbone).recipes[space.base.start], **space.base.changes)
    changes = {
        item.name: getattr(recipe, item.name)
        for item in fields(recipe)
        if getattr(recipe, item.name) != getattr(own, item.name)
    }
    return f"The recipe is {space.base.title}'s with {describe_changes(changes)}." if changes else ""


def setting_table(search: Search, trial: Trial) -> str:
    """The setting of a trial beside the default settings and what was searched."""
    rows = [
        [name, show(search.defaults[name]), show(trial.setting[name]), searched(one)]
        for name, one in search.parameters.items()
    ]
    headings = ["Choice", "Default", f"Best, trial {trial.number}", "Searched"]
    return tabulate(rows, headings, "github", disable_numparse=True)


def searched(parameter: Float | Choice) -> str:
    """The values that a parameter was drawn from."""
    if isinstance(parameter, Choice):
        return ", ".join(map(show, parameter.values))
    return f"{show(parameter.low)} to {show(parameter.high)}{', on a logarithmic scale' if parameter.log else ''}"


def gain(search: Search, trials: Sequence[Trial], winner: Trial) -> str:
    """The gain of the best setting in what the search maximises, with its caveat."""
    first = next((trial for trial in trials if trial.number == 0 and trial.value is not None), None)
    if winner.number == 0:
        return f"No setting did better than the default settings, by {search.measure}."
    than = f", the default settings {first.value:.1f}" if first else ""
    return (
        f"{search.measure}: {winner.value:.1f}{than}; the best of many draws, chosen by them, so its true gain is "
        "smaller. `pivl-bench search confirm` measures it on the test identities."
    )


def trial_table(search: Search, trials: Sequence[Trial]) -> str:
    """A line per trial."""
    rows = [
        [
            trial.number,
            "" if trial.value is None else f"{trial.value:.1f}",
            *(show(trial.setting[name]) if name in trial.setting else "" for name in search.parameters),
            outcome(trial),
            duration((trial.ended - trial.began).total_seconds()) if trial.ended and trial.began else "",
        ]
        for trial in trials
    ]
    headers = ["Trial", search.measure, *search.parameters, "State", "Time"]
    return tabulate(rows, headers, "github", disable_numparse=True)


def outcome(trial: Trial) -> str:
    """The state of a trial and, without a final mAP, its last epoch or its error."""
    if trial.state == "failed":
        return f"failed: {trial.error}"
    if trial.state in ("pruned", "running") and trial.epochs:
        last = max(trial.epochs)
        return f"{trial.state}, mAP {trial.epochs[last]:.1f} after epoch {last}"
    return trial.state


def importance_table(importance: Mapping[str, float]) -> str:
    """The share of each parameter in what makes a setting good."""
    if not importance:
        return f"Importance: fewer than {FEWEST} finished trials say nothing of it."
    rows = [[name, f"{100 * share:.0f} %"] for name, share in importance.items()]
    return tabulate(rows, ["Choice", "Importance (PED-ANOVA)"], "github", disable_numparse=True)


def notes(search: Search, figures: Sequence[str]) -> str:
    """The notes below the report."""
    sampler, pruner = search.identity()["sampler"], search.identity()["pruner"]
    said = [
        f"- **{search.measure}**, after the last epoch; {HELD_OUT[search.rule]} held out "
        f"by seed {search.run.seed}, one seed.",
        f"- **Sampler** {_options(sampler)}; **pruner** {_options(pruner)}.",
        f"- **Importance** by PED-ANOVA, of what tells the best {QUANTILE:.0%} of the trials, and at least {AT_LEAST} "
        "of them, from all.",
        f"- **Data** {search.run.dataset}@{search.run.fingerprint[:6]}. The test identities had no part in any of this.",
    ]
    if figures:
        said.append(f"- **Figures** {' and '.join(figures)}, in searches/{search.name}/ of the results.")
    return "\n".join(said)


def show(value: Any) -> str:
    """A value of the recipe, to three figures."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _options(named: Mapping[str, Mapping[str, Any]]) -> str:
    ((name, options),) = named.items()
    return f"{name} ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else name
