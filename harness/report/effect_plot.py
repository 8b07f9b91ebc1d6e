"""A specification curve: the gain in mAP of every row over the baseline with its interval, the largest on top."""

from pathlib import Path

from harness.analysis.table import MEAN_AP, Line, Table
from harness.report.gain_plot import plot_of


def by_effect(table: Table) -> list[Line]:
    """The rows that have a gain in mAP, by rising gain."""
    found = [line for line in table.lines if MEAN_AP in line.gains]
    return sorted(found, key=lambda line: line.gains[MEAN_AP].comparison.gain.mean)


def draw_effects(table: Table, path: Path) -> None:
    """Writes the figure as PNG; its bytes depend on the table alone. UserError where it cannot be written."""
    lines = by_effect(table)
    gains = [line.gains[MEAN_AP].comparison.gain for line in lines]
    with plot_of(table, path, 1.5 + 0.25 * len(lines)) as axes:
        reach = [[gain.mean - gain.low for gain in gains], [gain.high - gain.mean for gain in gains]]
        axes.errorbar([gain.mean for gain in gains], range(len(lines)), xerr=reach, fmt="o", capsize=3)
        axes.set_yticks(range(len(lines)), [line.row.title for line in lines], fontsize=7)
        margin = table.study.margin
        axes.axvspan(-margin, margin, color="0.9", zorder=0, label=f"equivalent to {table.reference}")
        axes.axvline(0, color="0.5", linewidth=0.8)
        axes.set_xlabel(f"mAP gain over {table.reference}, 95 % interval")
