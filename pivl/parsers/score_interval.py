"""The interval of a parser's mIoU: a bootstrap over clusters, and how much single pictures differ (Table 4).

Pictures of one person resemble each other, and those of look-alikes do: people or families are drawn, with all their
pictures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pivl.data.part_maps.labels import LabelSet
from pivl.parsers.score import ParsingScore, count_pixels

DRAWS = 2000
TAILS = (2.5, 97.5)  # percent


@dataclass(frozen=True, eq=False)
class BootstrapScore:
    """The score of all pictures together, and its spread, all in [0, 1].

    low, high: 95 % interval of mIoU over clusters drawn with replacement; error: its standard deviation. each: mIoU of
    single pictures over the classes they hold, [N].
    """

    score: ParsingScore
    low: float
    high: float
    error: float
    each: NDArray[np.float64]


def score_interval(
    predicted: np.ndarray,
    truth: np.ndarray,
    cluster: np.ndarray,
    labels: LabelSet,
    generator: np.random.Generator,
) -> BootstrapScore:
    """Score maps uint8 [N, H, W] of pictures whose clusters, people or families, are int [N]."""
    classes = len(labels.parts)
    pixels = np.stack([count_pixels(*maps, classes) for maps in zip(predicted, truth, strict=True)])
    each = np.array([ParsingScore(labels, some, 1, 1).mean_iou for some in pixels])
    clusters, place = np.unique(cluster, return_inverse=True)
    by_cluster = np.zeros((len(clusters), *pixels.shape[1:]), np.int64)
    np.add.at(by_cluster, place, pixels)
    drawn = generator.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), size=DRAWS)
    totals = np.tensordot(drawn, by_cluster, axes=1)
    again = np.array([ParsingScore(labels, total, 1, 1).mean_iou for total in totals])
    low, high = np.percentile(again, TAILS)
    score = ParsingScore(labels, pixels.sum(0), len(truth), len(predicted))
    return BootstrapScore(score, float(low), float(high), float(again.std(ddof=1)), each)
