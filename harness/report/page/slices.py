"""Slices of queries: the gain of a row over another by camera, by pair of cameras and by number of visible parts.

A pair of cameras is asked for by itself: queries of either camera are ranked in the gallery images of the other alone,
which is a retrieval of its own, with fewer wrong answers than the whole gallery has. Occlusion is not sliced by: no data
set that is read here keeps what share of a person is hidden.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from harness.analysis import statistics
from harness.analysis.pairs import clusters_of, is_single
from harness.analysis.statistics import LEAST_CLUSTERS, LEAST_SEEDS, Estimate
from harness.analysis.table import Line
from harness.report.figures.asked import Asked
from harness.report.figures.opened import Opened
from harness.report.grid import signed
from harness.report.page.blocks import Grid, Notes
from pivl.data.part_maps.labels import IGNORE
from pivl.evaluation.retrieval import Descriptors, rank

PAIRS = (
    "Pair of cameras: queries of either camera, ranked among the gallery images of the other alone, by descriptors and "
    "without re-ranking; seeds {seeds}. These average precisions are not those of the whole gallery."
)
OCCLUSION = (
    "By occlusion there is no slice: no data set keeps what share of a person is hidden. Occluded-Duke's queries are all "
    "occluded, and part maps of synthped leave out what is hidden, which the number of visible parts shows in part."
)
LUCK = "Intervals are not adjusted: where nothing differs, about one in 20 of them leaves out 0, and here are {count}."
NO_PARTS = "By visible parts there is no slice: the queries have no part maps."


@dataclass(frozen=True)
class Slice:
    """Some of the queries, how many they are, and the mAP gain on them."""

    name: str
    count: int
    gain: Estimate


@dataclass(frozen=True)
class Pair:
    """Two rows of a table, the second being what the first is held against."""

    asked: Asked
    row: Line
    against: Line

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds that both rows have."""
        return sorted(set(self.asked.runs(self.row.row.name)) & set(self.asked.runs(self.against.row.name)))

    @cached_property
    def clusters(self) -> np.ndarray:
        """[Q]: the family or person of each scored query."""
        return clusters_of([self.asked.runs(self.row.row.name)[seed] for seed in self.seeds])

    def column(self, name: str) -> np.ndarray:
        """[Q]: what is recorded of each scored query."""
        return self.asked.runs(self.row.row.name)[self.seeds[0]].queries[name].to_numpy()

    @cached_property
    def difference(self) -> np.ndarray:
        """[S, Q]: the row's average precision less that of the other."""
        scores = [
            np.stack(
                [self.asked.runs(line.row.name)[seed].queries["average_precision"] for seed in self.seeds]
            )
            for line in (self.row, self.against)
        ]
        return scores[0] - scores[1]

    def gain(self, name: str, chosen: np.ndarray, difference: np.ndarray) -> Iterator[Slice]:
        """The slice of the `chosen` queries [Q], unless all of them hang together."""
        clusters = self.clusters[chosen]
        if len(clusters) and not is_single(clusters):
            yield Slice(name, int(chosen.sum()), statistics.estimate(difference[:, chosen], clusters))


def by_camera(pair: Pair) -> list[Slice]:
    """The slices of queries by one camera each."""
    camera, difference = pair.column("camera"), pair.difference
    return [
        found
        for one in np.unique(camera)
        for found in pair.gain(f"query camera {one}", camera == one, difference)
    ]


def by_parts(pair: Pair, parts: np.ndarray) -> list[Slice]:
    """The slices by the number of parts that queries show [N]; neighbours join until 10 clusters are one slice."""
    shown, clusters, difference = parts[pair.column("query")], pair.clusters, pair.difference
    groups: list[list[int]] = [[]]
    for number in np.unique(shown):
        groups[-1].append(int(number))
        if len(np.unique(clusters[np.isin(shown, groups[-1])])) >= LEAST_CLUSTERS:
            groups.append([])
    rest = groups.pop()
    if rest and groups:
        groups[-1] += rest
    elif rest:
        groups.append(rest)
    return [
        found
        for group in groups
        for found in pair.gain(f"{_span(group)} parts visible", np.isin(shown, group), difference)
    ]


def _span(group: list[int]) -> str:
    return f"{group[0]} to {group[-1]}" if len(group) > 1 else str(group[0])


def count_parts(part_map: np.ndarray) -> np.ndarray:
    """[N]: how many parts each map [N, H, W] has, background and unlabelled pixels aside."""
    return np.array([len(np.setdiff1d(one, (0, IGNORE))) for one in part_map])


def by_pair(pair: Pair, opened: Opened) -> list[Slice]:
    """The slices by pairs of cameras, either of which may be the query's, over the first seeds of both rows."""
    seeds, scored = pair.seeds[:LEAST_SEEDS], pair.column("query")
    scores = [
        np.stack([scores_by_camera(*opened.descriptors(line.row.name, seed))[scored] for seed in seeds])
        for line in (pair.row, pair.against)
    ]
    difference, camera = scores[0] - scores[1], pair.column("camera")
    found: list[Slice] = []
    for one, other in combinations(range(difference.shape[2]), 2):
        sought = np.where(camera == one, other, np.where(camera == other, one, -1))
        own = difference[:, np.arange(len(camera)), sought]
        chosen = (sought >= 0) & np.isfinite(own).all(axis=0)
        found += pair.gain(f"cameras {one} and {other}", chosen, own)
    return found


def scores_by_camera(query: Descriptors, gallery: Descriptors) -> np.ndarray:
    """[Q, cameras]: average precision of each query in the gallery images of one camera, nan where none is right."""
    cameras = int(max(query.camera.max(), gallery.camera.max())) + 1
    found = np.full((len(query), cameras), np.nan)
    for camera in gallery.camera.unique().tolist():
        seen = gallery.camera == camera
        some = Descriptors(gallery.descriptor[seen], gallery.person[seen], gallery.camera[seen])
        wanted = query.person[query.camera != camera]
        if set(wanted.tolist()) & set(some.person.tolist()) - {-1}:
            retrieval = rank(query, some)
            found[retrieval.query, camera] = retrieval.average_precision
    return found


def slices(asked: Asked, opened: Opened | None, row: Line, against: Line) -> tuple[Grid, Notes]:
    """The slices as a grid, and what is said of them; without `opened` those that need models and images are left out."""
    pair = Pair(asked, row, against)
    found, said = by_camera(pair), [OCCLUSION]
    if opened is None:
        said.insert(0, "By pairs of cameras and visible parts there is no slice without models and images.")
    else:
        found += by_pair(pair, opened)
        said.insert(0, PAIRS.format(seeds=", ".join(map(str, pair.seeds[:LEAST_SEEDS]))))
        part_map = opened.split(row.row.name, asked.common_seed(row, against)).query.part_map
        if part_map is None:
            said.insert(1, NO_PARTS)
        else:
            found += by_parts(pair, count_parts(part_map.numpy()))
    rows = [[one.name, str(one.count), signed(one.gain.mean, one.gain.low, one.gain.high)] for one in found]
    said.append(LUCK.format(count=len(rows)))
    heading = f"mAP gain of {row.row.title} over {against.row.title}"
    return Grid(["Queries", "Count", heading], rows), Notes(tuple(said))
