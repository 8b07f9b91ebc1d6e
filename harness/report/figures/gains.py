"""Forest plots: the gain of each row over the baseline with its interval, the margin, and what could be detected."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.analysis.table import METRICS, Line
from harness.report.figures.asked import Asked
from harness.report.figures.plate import PAGE, Plate, color_of, new_figure, panels, watermark
from harness.report.forest import MEANING, by_effect, draw_forest, shown
from pivl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAPTION = (
    "Gain over {reference} in points, mean and 95 % interval over retraining and {clusters}; " + MEANING + "."
)


def gains(asked: Asked) -> Plate:
    """A forest plot of the rows in their order."""
    return _forest(asked, list(reversed([line for line in asked.table.lines if line.gains])))


def choices(asked: Asked) -> Plate:
    """A specification curve: the rows by their effect."""
    return _forest(asked, by_effect(asked.table))


def _forest(asked: Asked, lines: Sequence[Line]) -> Plate:
    table = asked.table
    if not lines:
        raise UserError(
            f"{table.study.name}: no row has a gain over {table.reference}; run both, with a seed in common"
        )
    figure = new_figure(PAGE, 1.1 + 0.28 * len(lines))
    (axes,) = panels(figure, 1, len(METRICS), sharey=True)
    data: list[dict[str, object]] = []
    for place, metric in enumerate(reversed(METRICS)):
        _draw(axes[place], asked, lines, metric, data)
    axes[0].set_yticks(range(len(lines)), [line.row.title for line in lines])
    watermark(figure, asked.warning)
    words = {"family": "families", "person": "identities"}[table.clusters]
    caption = CAPTION.format(
        reference=table.reference,
        clusters=words,
        margin=f"±{table.study.margin:g} points of {table.study.primary}",
    )
    return Plate(figure, caption, data)


def _draw(
    axes: "Axes", asked: Asked, lines: Sequence[Line], metric: str, data: list[dict[str, object]]
) -> None:
    table = asked.table
    margin = table.study.margin if metric == table.study.primary else None
    colors = [color_of(asked.place(line)) for line in lines]
    draw_forest(axes, [shown(line.gains[metric]) for line in lines], colors, margin)
    for line in lines:
        judged = line.gains[metric]
        gain = judged.comparison.gain
        data.append(
            {
                "row": line.row.name, "metric": metric, "gain": gain.mean, "low": gain.low, "high": gain.high,
                "adjusted_p": judged.adjusted_p, "verdict": judged.verdict,
                "minimum_detectable": gain.minimum_detectable,
            }
        )  # fmt: skip
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.set_xlabel(f"{metric} gain over {table.reference}, points")
