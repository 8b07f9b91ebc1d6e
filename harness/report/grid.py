"""Grids as GitHub's Markdown, and the numbers that stand in their cells."""

from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

if TYPE_CHECKING:  # a plan is printed without scipy
    from harness.analysis.statistics import Estimate, Judgement


def grid(headings: list[str], rows: list[list[str]], left: tuple[int, ...] = (0,)) -> str:
    """A Markdown table, its columns padded so that the source reads well too; numbers stand to the right."""
    cells = [[_one_line(cell) for cell in row] for row in [headings, *rows]]
    sides = ["left" if column in left else "right" for column in range(len(headings))]
    return tabulate(cells[1:], cells[0], tablefmt="pipe", colalign=sides, disable_numparse=True)


def interval(estimate: "Estimate | None", decimals: int, alone: str = "1 seed") -> str:
    """A mean with its interval; `alone` says of what there is one where it has none. A dash where nothing is known."""
    if estimate is None:
        return "-"
    if not np.isfinite(estimate.low):
        return f"{number(estimate.mean, decimals)} ({alone})"
    return f"{number(estimate.mean, decimals)} [{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"


def signed_interval(judgement: "Judgement | None") -> str:
    """A gain with its interval, bold where it is marked; a dash where rows were not compared."""
    if judgement is None:
        return "-"
    found = judgement.comparison.gain
    return signed(found.mean, found.low, found.high, judgement.marked)


def signed_beyond(judgement: "Judgement | None") -> str:
    """The interval of a gain for identities like these; a dash where there is none, or one world."""
    found = judgement.comparison.beyond.gain if judgement and judgement.comparison.beyond else None
    if found is None or not np.isfinite(found.low):
        return "-"
    return bounds(found.low, found.high)


def bounds(low: float, high: float) -> str:
    """The interval of a difference in points."""
    return f"[{number(low, 2, '+')}, {number(high, 2, '+')}]"


def signed(mean: float, low: float, high: float, marked: bool = False) -> str:
    """A difference in points with its interval, bold where it is `marked`."""
    middle = number(mean, 2, "+")
    return f"{f'**{middle}**' if marked else middle} {bounds(low, high)}"


def p_value(judgement: "Judgement | None") -> str:
    """The adjusted p of a gain; a dash where rows were not compared."""
    return "-" if judgement is None else print_p(judgement.adjusted_p)


def print_p(p: float) -> str:
    """A p value with three decimals, or that it is below what these show."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def number(value: float, decimals: int, sign: str = "") -> str:
    """A number with so many decimals; with `sign` "+" also that of positive ones."""
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"  # adding 0 turns -0.0 into 0.0


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
