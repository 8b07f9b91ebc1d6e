"""Slices of queries: the gain of a row over another by camera and by how many parts a query shows, with intervals."""

import numpy as np
import pandas as pd

from harness.analysis import statistics
from harness.analysis.pairs import clusters_of, is_single
from harness.analysis.statistics import Estimate
from harness.analysis.table import Line
from harness.report.figures.asked import Asked

VISIBLE = 3  # groups by how many parts are visible


def slice_gains(
    asked: Asked, row: Line, against: Line, visible: np.ndarray | None
) -> dict[str, tuple[int, Estimate]]:
    """The mAP gain and the number of queries of each slice; `visible` [N]: the parts that each query shows, if known."""
    ours, theirs = asked.runs(row.row.name), asked.runs(against.row.name)
    seeds = sorted(set(ours) & set(theirs))
    runs = [ours[seed] for seed in seeds]
    clusters = clusters_of(runs)
    difference = np.stack(
        [
            ours[seed].queries["average_precision"].to_numpy()
            - theirs[seed].queries["average_precision"].to_numpy()
            for seed in seeds
        ]
    )
    found = {}
    for name, chosen in _slices(runs[0].queries, visible).items():
        if not is_single(clusters[chosen]):
            found[name] = (int(chosen.sum()), statistics.estimate(difference[:, chosen], clusters[chosen]))
    return found


def _slices(queries: pd.DataFrame, visible: np.ndarray | None) -> dict[str, np.ndarray]:
    camera = np.asarray(queries["camera"])
    found = {f"query camera {one}": camera == one for one in np.unique(camera)}
    if visible is not None:
        shown = visible[np.asarray(queries["query"])]
        edges = np.quantile(shown, np.linspace(0, 1, VISIBLE + 1))
        for place in range(VISIBLE):
            low, high = edges[place], edges[place + 1]
            chosen = (
                (shown >= low) & (shown <= high) if place == VISIBLE - 1 else (shown >= low) & (shown < high)
            )
            if chosen.any():
                found[f"{int(shown[chosen].min())} to {int(shown[chosen].max())} parts visible"] = chosen
    return found
