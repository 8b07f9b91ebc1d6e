"""Cumulative matching characteristics: the share of queries with a right answer among the first k, by k."""

import numpy as np

from harness.report.figures.asked import Asked
from harness.report.figures.plate import COLUMN, Plate, color_of, new_figure, panels, watermark

MOST = 20
CAPTION = (
    "Share of queries with a right answer among the first k of the gallery; faint: each seed, thick: their mean. "
    "The axis "
    "begins above 0."
)
DASHES = ("-", "--", "-.", ":")


def cmc(asked: Asked) -> Plate:
    """The curves of the rows, each seed faint."""
    figure = new_figure(COLUMN, 2.8)
    ((axes,),) = panels(figure, 1, 1)
    ranks, data = np.arange(1, MOST + 1), []
    for line in asked.lines:
        color, dash = color_of(asked.place(line)), DASHES[asked.place(line) % len(DASHES)]
        curves = {
            seed: 100 * (run.queries["first_match"].to_numpy()[:, None] < ranks).mean(axis=0)
            for seed, run in asked.runs(line.row.name).items()
        }
        for seed, curve in curves.items():
            axes.plot(ranks, curve, color=color, alpha=0.3, linewidth=0.7)
            data += [
                {"row": line.row.name, "seed": seed, "k": int(k), "percent": float(share)}
                for k, share in zip(ranks, curve, strict=True)
            ]
        mean = np.mean(list(curves.values()), axis=0)
        axes.plot(ranks, mean, dash, color=color, linewidth=1.5, label=line.row.title)
    axes.set(xlabel="rank k", ylabel="queries with a match, %", xticks=[1, 5, 10, 15, 20])
    axes.legend(loc="lower right")
    watermark(figure, asked.warning)
    return Plate(figure, CAPTION, data)
