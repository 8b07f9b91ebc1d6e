"""Significance of a gain on other identities: a randomisation test over clusters, and Holm's adjustment of p values."""

from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
FLIPS = 9_999


def randomisation_p(
    difference: np.ndarray, clusters: np.ndarray, generator: np.random.Generator, flips: int = FLIPS
) -> float:
    """Two-sided p of the mean of `difference` [Q] when the signs of whole clusters are flipped at random.

    p = (1 + hits) / (1 + flips). It asks whether these trained models differ on people like these; what
    retraining would change is the interval's business.
    """
    member = np.unique(clusters, return_inverse=True)[1]
    sums = np.bincount(member, weights=difference)
    threshold = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()  # rounding must not break a tie
    width = -(-len(sums) // 8)  # bytes that hold one bit per cluster
    hits = 0
    for start in range(0, flips, 1000):
        drawn = generator.integers(0, 256, (min(1000, flips - start), width), dtype=np.uint8)
        kept = np.unpackbits(drawn, axis=1, count=len(sums)).astype(float)  # 0 flips a cluster's sign
        hits += int((np.abs(2 * kept @ sums - sums.sum()) >= threshold).sum())
    return (1 + hits) / (1 + flips)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment of p values, in their own order."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
