"""The figure below Table 4: gain in mAP against how good the part maps are, parsers and degraded maps told apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.columns import MIOU
from harness.analysis.table import MEAN_AP, Line, Table
from harness.report.figures.plate import COLORS, PAGE, new_figure, watermark
from pivl.system.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, Line]  # mIoU in percent, and the row


def points_of(table: Table) -> list[Point]:
    """The rows that have both a gain and an mIoU, by rising mIoU."""
    found = []
    for line in table.lines:
        for column in table.columns:
            value = column.values.get(line.row.name)
            if column.heading == MIOU and value is not None and MEAN_AP in line.gains:
                found.append((value if isinstance(value, float | int) else value.mean, line))
    return sorted(found, key=lambda point: point[0])


@contextmanager
def plot_of(table: Table, path: Path, height: float) -> "Iterator[Axes]":
    """Yields the axes of a figure of so many inches for the table; then writes it, with the table's warning, as PNG.

    Raises UserError where it cannot be written.
    """
    figure = new_figure(PAGE, height)
    axes: Axes = figure.subplots()
    yield axes
    axes.set_title(f"{table.study.title}, {table.heading}")
    watermark(figure, table.warning.title if table.warning else "")
    write_atomically(path, lambda file: figure.savefig(file, metadata={"Software": None}))


def draw_gains(table: Table, path: Path) -> None:
    """Writes the figure as PNG; its bytes depend on the table alone. UserError where it cannot be written."""
    with plot_of(table, path, 4.5) as axes:
        points = points_of(table)
        kinds = (("", "o", "parsers and exact maps", COLORS[0]), ("other", "s", "degraded maps", COLORS[1]))
        for section, marker, label, color in kinds:
            chosen = [(miou, line) for miou, line in points if bool(line.row.section) == bool(section)]
            if chosen:
                gains = [line.gains[MEAN_AP].comparison.gain for _, line in chosen]
                mean = [gain.mean for gain in gains]
                reach = [[gain.mean - gain.low for gain in gains], [gain.high - gain.mean for gain in gains]]
                miou = [value for value, _ in chosen]
                axes.errorbar(miou, mean, reach, fmt=marker, capsize=3, label=label, color=color)
        margin = table.study.margin
        axes.axhspan(-margin, margin, color="0.9", zorder=0, label=f"equivalent to {table.reference}")
        axes.axhline(0, color="0.5", linewidth=0.8)
        _name_below(axes, points)
        axes.set(
            xlim=(0, 110),
            xlabel="mIoU of the training images' part maps, %",
        )
        axes.set_ylabel(f"mAP gain over {table.reference}\n95 % interval")
        axes.legend()


def _name_below(axes: "Axes", points: list[Point]) -> None:
    """Writes the rows' names upright under their points, side by side where the points lie close together."""
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.8 * (high - low), high + 0.4 * (high - low))
    for place, (value, line) in zip(spread([value for value, _ in points]), points, strict=True):
        gain = line.gains[MEAN_AP].comparison.gain
        axes.annotate(
            line.row.name,
            (value, gain.low if isfinite(gain.low) else gain.mean),
            xytext=(place, 0.02),
            textcoords=("data", "axes fraction"),
            rotation=90,
            fontsize=7,
            ha="center",
            va="bottom",
            arrowprops={"arrowstyle": "-", "color": "0.75", "linewidth": 0.6},
        )


def spread(places: list[float], least: float = 3.5) -> list[float]:
    """Returns rising `places`, moved right until each is `least` from the one before, and back until all end at 105."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + least) if moved else place)
    end = 105.0
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], end)
        end = moved[number] - least
    return moved
