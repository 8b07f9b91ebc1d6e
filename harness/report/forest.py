"""Forest plots: gains with their intervals along one axis, the margin, and the gain that could be detected.

A specification curve is one whose rows stand by their gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.table import MEAN_AP, Line, Table
from harness.report.figures.plate import COLORS
from harness.report.gain_plot import plot_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analysis.statistics import Judgement

MEANING = (
    "filled where the verdict is better or worse. Band: {margin}, declared beforehand as no difference. Ticks: the gain "
    "that is found 4 times in 5 (80 % power)"
)


@dataclass(frozen=True)
class Shown:
    """A gain as it is drawn, all in points; what is not finite is left out. marked: the verdict is better or worse."""

    mean: float
    low: float
    high: float
    minimum_detectable: float
    marked: bool


def shown(judgement: "Judgement") -> Shown:
    """The gain of a judgement."""
    gain = judgement.comparison.gain
    return Shown(gain.mean, gain.low, gain.high, gain.minimum_detectable, judgement.marked)


def draw_forest(axes: "Axes", gains: Sequence[Shown], colors: Sequence[str], margin: float | None) -> None:
    """Draws each gain at its place 0, 1, ... of the vertical axis; the margin's band where there is one."""
    if margin is not None:
        axes.axvspan(-margin, margin, color="0.88", zorder=0)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
    for place, (gain, color) in enumerate(zip(gains, colors, strict=True)):
        reach = [[gain.mean - gain.low], [gain.high - gain.mean]]
        face = color if gain.marked else "white"
        axes.errorbar(gain.mean, place, xerr=reach, fmt="o", capsize=3, color=color, markerfacecolor=face)
        least = gain.minimum_detectable
        axes.plot([-least, least], [place, place], "|", color="0.5", markersize=9, zorder=1)
    bounds = [bound for gain in gains for bound in (gain.mean, gain.low, gain.high, gain.minimum_detectable)]
    reach_of_axis = 1.1 * max([margin or 0.0, *(abs(bound) for bound in bounds if isfinite(bound))]) or 1.0
    axes.set_xlim(-reach_of_axis, reach_of_axis)


def by_effect(table: Table) -> list[Line]:
    """The rows that have a gain in mAP, by rising gain."""
    found = [line for line in table.lines if MEAN_AP in line.gains]
    return sorted(found, key=lambda line: line.gains[MEAN_AP].comparison.gain.mean)


def draw_effects(table: Table, path: Path) -> None:
    """Writes the figure as PNG; its bytes depend on the table alone. UserError where it cannot be written."""
    lines, primary = by_effect(table), table.study.primary
    with plot_of(table, path, 1.1 + 0.28 * len(lines)) as axes:
        draw_forest(
            axes, [shown(line.gains[primary]) for line in lines], [COLORS[0]] * len(lines), table.study.margin
        )
        axes.set_yticks(range(len(lines)), [line.row.title for line in lines])
        axes.set_xlabel(f"{primary} gain over {table.reference}, points, 95 % interval")
