"""Conditions under which a printed difference is significant: exact binomials and Student's t, nothing tabulated.

No p value is computed of a printed table, since none can be: that needs both methods' scores of every query.
"""

from bisect import bisect_left
from itertools import count
from math import ceil, floor, inf, sqrt

from scipy import special  # its functions take microseconds, those of scipy.stats a hundred

from harness.analysis.significance import LEVEL
from harness.analysis.statistics import POWER
from harness.claims.table import Cell


def hits(cell: Cell, queries: int) -> range:
    """The numbers of right answers among `queries` that print as this percentage; empty where none does.

    A value just between two printed ones may have been rounded either way.
    """
    low, high = ((cell.value + sign * cell.half) * queries / 100 for sign in (-1, 1))
    return range(max(0, ceil(low)), min(queries, floor(high)) + 1)


def share_unattainable(decimals: int, queries: int) -> float:
    """The share of percentages of so many decimals that no number of right answers among `queries` prints as.

    The power of the attainability check (GRIM, Brown and Heathers 2017) against a value typed at random.
    """
    printable = 100 * 10**decimals
    return max(0.0, 1 - (queries + 1) / (printable + 1))


def mcnemar_p(discordant: int, difference: int) -> float:
    """McNemar's exact two-sided p: of `discordant` queries one method won `difference` more than the other."""
    won = (discordant + abs(difference)) // 2
    return min(1.0, 2 * float(special.bdtrc(won - 1, discordant, 0.5)))


def largest_discordant(difference: int, queries: int) -> int | None:
    """The most discordant queries at which a difference of so many queries still has p < .05; None: at no number.

    p rises with every further pair of queries that cancel each other.
    """
    fewest = abs(difference)
    if fewest == 0 or mcnemar_p(fewest, fewest) >= LEVEL:
        return None
    pairs = range((queries - fewest) // 2 + 1)
    return fewest + 2 * (
        bisect_left(pairs, True, key=lambda n: mcnemar_p(fewest + 2 * n, fewest) >= LEVEL) - 1
    )


def clustered(discordant: int | None, difference: int, design_effect: float) -> int | None:
    """`discordant`, the most allowed, where the variance of the difference is `design_effect` times as large."""
    allowed = None if discordant is None else floor(discordant / design_effect)
    return allowed if allowed is not None and allowed >= abs(difference) else None


LEAST_DISCORDANT = next(n for n in count(1) if mcnemar_p(n, n) < LEVEL)
"""The smallest number of discordant queries that can be significant at all, if every one is won by one method: 6."""


def least_detectable_rank(queries: int) -> float:
    """The Rank-k gain, in points, that is significant 4 times in 5 if no query is lost and retraining changes nothing.

    An optimistic bound: LEAST_DISCORDANT of `queries` must be won, each with the probability of the gain.
    """
    if queries < LEAST_DISCORDANT:
        return inf
    return 100 * float(special.betaincinv(LEAST_DISCORDANT, queries - LEAST_DISCORDANT + 1, POWER))


def largest_deviation(gain: float, queries: int, power: float = 0.5) -> float:
    """The standard deviation of paired differences below which a mean difference `gain` is significant, by Student's t.

    In the unit of `gain`. With a `power` above .5, the one at which a true gain of this size is found so often.
    """
    quantiles = special.stdtrit(queries - 1, 1 - LEVEL / 2) + special.stdtrit(queries - 1, power)
    return abs(gain) * sqrt(queries) / float(quantiles)


def least_detectable_mean(deviation: float, queries: int, design_effect: float = 1.0) -> float:
    """The mean difference that is significant 4 times in 5 at this standard deviation, without retraining noise."""
    return deviation * sqrt(design_effect) / largest_deviation(1.0, queries, POWER)
