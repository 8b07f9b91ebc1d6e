"""The figure of a power forecast: minimum detectable gain by seeds, a line per number of people, a panel per contrast."""

from pathlib import Path

from harness.analysis.table import MEAN_AP
from harness.power.forecast import PEOPLE, Forecast
from harness.power.planning import Design
from harness.power.report import NAMES
from pivl.system.outputs import write_output


def draw_power(forecast: Forecast, path: Path) -> None:
    """Writes the figure of mAP as PNG; its bytes depend on the forecast alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    outlooks = [one for one in forecast.outlooks if one.measured.metric == MEAN_AP]
    size = (3.2 * max(1, len(outlooks)), 3.4)
    figure, panels = pyplot.subplots(
        1, max(1, len(outlooks)), figsize=size, dpi=150, sharey=True, squeeze=False, layout="constrained"
    )
    for axes, one in zip(panels[0], outlooks, strict=False):
        for people in PEOPLE:
            points = [one.detectable[Design(seeds, people)] for seeds in forecast.seeds]
            label = f"{round(people * one.measured.components.clusters):,} {NAMES[forecast.clusters]}"
            axes.plot(forecast.seeds, points, marker="o", label=label)
        if one.need is not None:
            axes.axhline(one.need.gain, color="0.5", linewidth=0.8, linestyle="--")
        axes.set(xlabel="seeds", xticks=forecast.seeds)
        axes.set_title(f"{one.measured.titles[0]}\nover {one.measured.titles[1]}", fontsize=8)
        axes.legend(fontsize=7)
    panels[0][0].set_ylim(bottom=0)
    panels[0][0].set_ylabel(f"minimum detectable gain, {MEAN_AP} points\n80 % power")
    try:
        write_output(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))
    finally:
        pyplot.close(figure)
