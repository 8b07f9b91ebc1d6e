"""The two conventions of average precision in re-identification, from the rising ranks of a query's right answers.

They differ by .4 to 2.7 points of mAP, so a signature names the one that was computed, and no table mixes them.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
Convention = Literal["step", "trapezoid"]


def step(ranks: Ranks) -> float:
    """Returns the mean precision at right answers, not interpolated: CLIP-ReID, TransReID, fast-reid and torchreid."""
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def trapezoid(ranks: Ranks) -> float:
    """Returns the area under precision over recall by trapezoids: Market-1501's and DukeMTMC-reID's own code.

    Each right answer adds the mean of the precision there and at the place before it, which is 1 before the first place.
    """
    found = np.arange(1, len(ranks) + 1)
    before = np.where(ranks > 1, (found - 1) / np.maximum(ranks - 1, 1), 1.0)
    return float(((before + found / ranks) / 2).mean())


CONVENTIONS: dict[Convention, Callable[[Ranks], float]] = {"step": step, "trapezoid": trapezoid}
