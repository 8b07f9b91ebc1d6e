"""Seeds and identities: how far a row's mAP moves with the seed it was trained with and those it was asked for."""

from collections.abc import Iterable, Sequence
from math import ceil, floor

import numpy as np

from harness.analysis.table import Line
from harness.report.figures.asked import Asked
from harness.report.page.blocks import Grid


def seed_and_people(asked: Asked, line: Line) -> tuple[list[float], float]:
    """The mAP of each seed in percent, and the standard deviation of people's means over the root of their number."""
    scores = np.stack(
        [run.queries["average_precision"].to_numpy(float) for run in asked.runs(line.row.name).values()]
    )
    people = next(iter(asked.runs(line.row.name).values())).queries["person"].to_numpy()
    means = [scores[:, people == one].mean() for one in np.unique(people)]
    spread = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("nan")
    return [100 * float(one) for one in scores.mean(axis=1)], 100 * spread


def seed_scale(seeds: Iterable[Sequence[float]]) -> tuple[int, int]:
    """The whole percentages that the seeds of all rows lie between, which is the range of one axis for all of them."""
    values = [one for of_row in seeds for one in of_row]
    low, high = floor(min(values)), ceil(max(values))
    return low, max(high, low + 1)


def spread_grid(asked: Asked, lines: Sequence[Line]) -> Grid:
    """The contributions of seeds and people to what is not known of a row's mAP."""
    rows = []
    for line in lines:
        seeds, people = seed_and_people(asked, line)
        error = np.std(seeds, ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else float("nan")
        rows.append(
            [line.row.title, ", ".join(f"{one:.1f}" for one in seeds), f"{error:.2f}", f"{people:.2f}"]
        )
    return Grid(
        ["Row", "mAP of each seed", "Standard error by seeds", "Standard error by identities"], rows, (0, 1)
    )
