"""Forest plots: the gain of each row over the baseline with its interval, the margin, and what could be detected."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.analysis.table import METRICS, Line
from harness.report.effect_plot import by_effect
from harness.report.figures.asked import Asked
from harness.report.figures.plate import PAGE, Plate, color_of, new_figure, panels, watermark
from pivl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAPTION = (
    "Gain over {reference} in points, mean and 95 % interval over retraining and {clusters}; filled where the "
    "verdict is better "
    "or worse. Band: {margin} points of {primary}, declared beforehand as no difference. Ticks: the gain that is found 4 "
    "times in 5 (80 % power)."
)


def gains(asked: Asked) -> Plate:
    """A forest plot of the rows in their order."""
    return _forest(asked, list(reversed([line for line in asked.lines if line.gains])))


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
        margin=f"±{table.study.margin:g}",
        primary=table.study.primary,
    )
    return Plate(figure, caption, data)


def _draw(
    axes: "Axes", asked: Asked, lines: Sequence[Line], metric: str, data: list[dict[str, object]]
) -> None:
    table = asked.table
    if metric == table.study.primary:
        axes.axvspan(-table.study.margin, table.study.margin, color="0.88", zorder=0)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
    for place, line in enumerate(lines):
        judged = line.gains[metric]
        gain, color = judged.comparison.gain, color_of(asked.place(line))
        axes.errorbar(
            gain.mean, place, xerr=[[gain.mean - gain.low], [gain.high - gain.mean]], fmt="o", capsize=3, color=color,
            markerfacecolor=color if judged.marked else "white",
        )  # fmt: skip
        least = gain.minimum_detectable
        axes.plot([-least, least], [place, place], "|", color="0.5", markersize=9, zorder=1)
        data.append(
            {
                "row": line.row.name, "metric": metric, "gain": gain.mean, "low": gain.low, "high": gain.high,
                "adjusted_p": judged.adjusted_p, "verdict": judged.verdict, "minimum_detectable": least,
            }
        )  # fmt: skip
    axes.set_ylim(-0.6, len(lines) - 0.4)
    reach = max(abs(bound) for line in lines for bound in (line.gains[metric].comparison.gain.low,
                line.gains[metric].comparison.gain.high))  # fmt: skip
    axes.set_xlim(-1.1 * max(reach, table.study.margin), 1.1 * max(reach, table.study.margin))
    axes.set_xlabel(f"{metric} gain over {table.reference}, points")
