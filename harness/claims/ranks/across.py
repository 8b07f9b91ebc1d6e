"""Methods across data sets: Friedman's test, average ranks, and Nemenyi's critical difference (Demsar 2006).

The data sets are the sample, so the test asks whether methods would be ranked alike on other data sets like these; it
says nothing of a difference on any one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import factorial, sqrt

import numpy as np
from scipy import stats

from harness.analysis.significance import LEVEL
from harness.claims.contrasts import label
from harness.claims.table import PrintedTable

LEAST_METHODS = 3  # two are compared by a sign test, which needs 6 data sets to reach p < .05
FEW = 10  # data sets; Demsar (2006) holds the chi-square approximation good for more than 10


@dataclass(frozen=True)
class Ranking:
    """The average ranks of k methods in one metric over N data sets, 1 being the best; ties share their mean rank.

    methods: by their average rank; left_out: methods without a figure on one of the data sets. statistic, p: Friedman's,
    corrected for ties, its p by chi-square. least_p: the smallest that N and k allow, all data sets agreeing;
    least_exact: the same by permutation. difference: of average ranks, from which two methods differ by Nemenyi's test at
    .05.
    backbones: those of the methods, empty where the table names none.
    """

    table: str
    metric: str
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    left_out: tuple[str, ...]
    statistic: float
    p: float
    least_p: float
    least_exact: float
    difference: float
    backbones: tuple[str, ...] = ()

    @property
    def are_few(self) -> bool:
        """Whether the data sets are so few that a warning is due."""
        return len(self.datasets) <= FEW

    @property
    def alike(self) -> list[tuple[int, int]]:
        """The longest runs of methods, first and last place, that lie closer together than the critical difference."""
        found: list[tuple[int, int]] = []
        for first, best in enumerate(self.ranks):
            last = max(place for place, rank in enumerate(self.ranks) if rank - best < self.difference)
            if last > first and (not found or last > found[-1][1]):
                found.append((first, last))
        return found


def find_rankings(tables: Sequence[PrintedTable]) -> tuple[Ranking, ...]:
    """The rankings of every table and metric that has three methods with figures on the same two or more data sets."""
    return tuple(found for table in tables for found in _rankings(table))


def _rankings(table: PrintedTable) -> Iterator[Ranking]:
    columns = list(dict.fromkeys(column for row in table.rows for column in row.cells))
    for metric in dict.fromkeys(column.metric for column in columns):
        own = [column for column in columns if column.metric == metric]
        named = [(label(table, number), row.cells) for number, row in enumerate(table.rows)]
        whole = {name: cells for name, cells in named if all(column in cells for column in own)}
        some = [name for name, cells in named if name not in whole and any(column in cells for column in own)]
        if len(own) >= 2 and len(whole) >= LEAST_METHODS:
            values = np.array([[float(cells[column].value) for cells in whole.values()] for column in own])
            datasets = tuple(column.dataset for column in own)
            found = rank(table.title, metric, datasets, tuple(whole), values, tuple(some))
            ranked = [row.backbone for row in table.rows if all(column in row.cells for column in own)]
            yield replace(found, backbones=tuple(dict.fromkeys(one for one in ranked if one)))


def rank(
    table: str, metric: str, datasets: tuple[str, ...], methods: tuple[str, ...], values: np.ndarray,
    left_out: tuple[str, ...] = (),
) -> Ranking:  # fmt: skip
    """The ranking of `methods` by `values` [N, k], the larger the better."""
    ranks = stats.rankdata(-values, axis=1)
    mean, (count, k) = ranks.mean(axis=0), ranks.shape
    order = np.argsort(mean, kind="stable")
    tied = bool((ranks == ranks[:, :1]).all())  # no order at all, of which scipy makes 0 / 0
    statistic, p = (0.0, 1.0) if tied else stats.friedmanchisquare(*values.T)
    return Ranking(
        table=table,
        metric=metric,
        datasets=datasets,
        methods=tuple(methods[one] for one in order),
        ranks=tuple(float(mean[one]) for one in order),
        left_out=left_out,
        statistic=float(statistic),
        p=float(p),
        least_p=float(stats.chi2.sf(count * (k - 1), k - 1)),
        least_exact=1 / factorial(k) ** (count - 1),
        difference=critical_difference(count, k),
    )


def critical_difference(datasets: int, methods: int) -> float:
    """Nemenyi's critical difference of average ranks at .05 (Demsar 2006, Sec. 3.2.2)."""
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, methods, np.inf)) / sqrt(2)
    return quantile * sqrt(methods * (methods + 1) / (6 * datasets))
