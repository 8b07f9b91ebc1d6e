"""Two figures of a search: how its best grew, and what each parameter did."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from harness.search.spec import Search
from harness.search.trials import Trial
from pivl.system.files import write_atomically
from studies.searches import Choice

FINISHED, PRUNED, USUAL = "tab:blue", "tab:gray", "tab:red"


def draw(search: Search, trials: Sequence[Trial], folder: Path) -> list[str]:
    """Writes history.png and slices.png to `folder`; the names of those that there was anything to draw for."""
    if not any(trial.value is not None for trial in trials):
        return []
    _history(search, trials, folder / "history.png")
    _slices(search, trials, folder / "slices.png")
    return ["history.png", "slices.png"]


def _history(search: Search, trials: Sequence[Trial], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    _points(axes, [(trial.number, trial) for trial in trials])
    finished = [trial for trial in trials if trial.value is not None]
    highest, line = float("-inf"), []
    for trial in finished:
        assert trial.value is not None
        highest = max(highest, trial.value)
        line.append(highest)
    places = [*(trial.number for trial in finished), trials[-1].number]  # the last best holds to the end
    axes.step(places, [*line, highest], where="post", color=FINISHED, label="best so far")
    axes.set(xlabel="trial", ylabel=search.measure)
    axes.legend()
    _save(figure, path)


def _slices(search: Search, trials: Sequence[Trial], path: Path) -> None:
    names = list(search.parameters)
    figure, grid = plt.subplots(
        1, len(names), figsize=(3 * len(names), 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, name in zip(grid[0], names, strict=True):
        one = search.parameters[name]
        known = [(trial.setting[name], trial) for trial in trials if name in trial.setting]
        if isinstance(one, Choice):
            places = {value: place for place, value in enumerate(one.values)}
            known = [(places[value], trial) for value, trial in known]
            axes.set_xticks(range(len(places)), [str(value) for value in places])
            axes.set_xlim(-0.5, len(places) - 0.5)
        elif one.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        _points(axes, known)
        axes.set_xlabel(name)
    grid[0][0].set_ylabel(search.measure)
    grid[0][0].legend()
    _save(figure, path)


def _points(axes: Axes, placed: Sequence[tuple[float, Trial]]) -> None:
    """The finished trials, the default settings among them, and the pruned ones at their last mAP."""
    kinds = {
        "finished": (FINISHED, "o", [(x, t.value) for x, t in placed if t.value is not None and t.number]),
        "default settings": (
            USUAL,
            "D",
            [(x, t.value) for x, t in placed if t.value is not None and not t.number],
        ),
        "pruned": (
            PRUNED,
            "x",
            [(x, t.epochs[max(t.epochs)]) for x, t in placed if t.state == "pruned" and t.epochs],
        ),
    }
    for label, (color, marker, points) in kinds.items():
        if points:
            across, up = zip(*points, strict=True)
            axes.scatter(across, up, c=color, marker=marker, label=label, zorder=3)


def _save(figure: Figure, path: Path) -> None:
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=120))
    plt.close(figure)
