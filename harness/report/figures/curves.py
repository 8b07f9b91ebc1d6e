"""Curves of training: loss terms, learning rate and shares of gradients by epoch, every seed faint and their mean."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.analysis.table import Line
from harness.report.figures.asked import Asked
from harness.report.figures.plate import PAGE, Plate, color_of, new_figure, panels, watermark
from harness.store.record_file import Record
from harness.store.records import Finished, Results
from pivl.errors import UserError
from pivl.recipe import STAGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3
ORDER = (*STAGES, "gradient")  # of panels
CAPTION = (
    "Mean of each epoch; faint: each seed, thick: their mean. Loss terms have their weights. Learning rate: the "
    "factor of the "
    "schedule. Gradient: the share of a term in the norms of all terms' gradients at the first step of an epoch."
)
Curve = Mapping[int, float]  # from the epoch to the mean
Curves = dict[str, dict[tuple[str, int], Curve]]  # by panel, and by row and seed


def curves(asked: Asked) -> Plate:
    """A panel for each loss term, the learning rate and each share of gradients of every stage."""
    found: Curves = {}
    for line in asked.lines:
        for seed, run in asked.runs(line.row.name).items():
            for title, curve in _curves_of(run, asked.results).items():
                found.setdefault(title, {})[line.row.name, seed] = curve
    if not found:
        raise UserError(
            f"{asked.table.study.name}: no history of training is stored; run makes runs with one"
        )
    found = {title: found[title] for stage in ORDER for title in found if title.startswith(stage)}
    down = -(-len(found) // ACROSS)
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(PAGE, 0.4 + 1.5 * down)
    places = [axes for row in panels(figure, down, ACROSS) for axes in row]
    data: list[dict[str, object]] = []
    for axes, (title, of) in zip(places, found.items(), strict=False):
        for line in asked.lines:
            _draw(axes, asked, line, of)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        data += [
            {"panel": title, "row": row, "seed": seed, "epoch": epoch, "value": value}
            for (row, seed), curve in of.items()
            for epoch, value in curve.items()
        ]
    for axes in places[len(found) :]:
        axes.set_axis_off()
    lines = {line.row.title: color_of(asked.place(line)) for line in asked.lines}
    handles = [places[0].plot([], [], color=color, label=title)[0] for title, color in lines.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3))
    watermark(figure, asked.warning)
    return Plate(figure, CAPTION, data)


def _draw(axes: "Axes", asked: Asked, line: Line, of: Mapping[tuple[str, int], Curve]) -> None:
    own = [curve for (row, _), curve in of.items() if row == line.row.name]
    color, marker = color_of(asked.place(line)), "o" if own and len(own[0]) < 4 else ""
    for curve in own:
        axes.plot(list(curve), list(curve.values()), color=color, alpha=0.35, linewidth=0.7)
    epochs = sorted(set.intersection(*(set(curve) for curve in own))) if own else []
    means = [sum(curve[epoch] for curve in own) / len(own) for epoch in epochs]
    axes.plot(epochs, means, marker=marker, markersize=3, color=color, linewidth=1.4)


def _curves_of(run: Finished, results: Results) -> dict[str, Curve]:
    folders = [results.stage_folder(stage_id) for stage_id in run.record["stages"].values()]
    found: dict[str, Curve] = {}
    for folder in [*folders, results.run_folder(run.id)]:
        history = results.read_history(folder)
        for stage in dict.fromkeys(point["stage"] for point in history):
            found |= _of_stage(stage, [point for point in history if point["stage"] == stage])
    return found


def _of_stage(stage: str, history: list[Record]) -> dict[str, Curve]:
    values: dict[str, dict[int, list[float]]] = {}

    def add(title: str, epoch: int, value: float) -> None:
        values.setdefault(title, {}).setdefault(epoch, []).append(value)

    for point in history:
        for name, value in point["terms"].items():
            add(f"{stage}: {_words(name)}", point["epoch"], value)
        if "factor" in point:
            add(f"{stage}: learning rate", point["epoch"], point["factor"])
        norms = point.get("gradients", {})
        for name, norm in norms.items():
            add(f"gradient: {_words(name)}, %", point["epoch"], 100 * norm / (sum(norms.values()) or 1.0))
    return {title: {epoch: _mean(of) for epoch, of in by.items()} for title, by in values.items()}


def _words(name: str) -> str:
    return name.replace("_", "-")


def _mean(values: Iterable[float]) -> float:
    several = list(values)
    return sum(several) / len(several)
