"""The values that a field may have: a closed choice, a name or numbers within a range, said in words where it is not."""

import math
from typing import Any, Literal, get_args, get_origin

Range = tuple[float, float]
"""The least and the largest value of a number, or of each number of a tuple."""

LONGEST = 40  # letters of a value that a message shows


def refusal(value: Any, kind: Any, allowed: Range | None) -> str:
    """Returns what a value of a field of the type `kind` must be; empty where it is that.

    Numbers are whole where the type says so, and finite. `allowed` None: any number.
    """
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return "" if value in choices else f"one of {', '.join(map(repr, choices))}"
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if not isinstance(value, tuple) or (inner[-1] is not ... and len(value) != len(inner)):
            return "whole numbers" if inner[-1] is ... else f"{len(inner)} whole numbers"
        return next(filter(None, (refusal(one, inner[0], allowed) for one in value)), "")
    if kind in (str, bool):
        return "" if isinstance(value, kind) else {str: "a name", bool: "True or False"}[kind]
    return _number_refusal(value, kind is int, *(allowed or (-math.inf, math.inf)))


def takes_in_words(kind: Any, allowed: Range | None) -> str:
    """Returns in words what a field of the type `kind` takes: `one of ...`, `a name`, `whole numbers from 1 to 9`."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind is str:
        return "a name"
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    noun = "whole number" if inner is int else "number"
    within = f" from {allowed[0]:g} to {allowed[1]:g}" if allowed else ""
    return f"{noun}s{within}" if inner is not kind else f"a {noun}{within}"


def _number_refusal(value: Any, whole: bool, least: float, most: float) -> str:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return "a whole number" if whole else "a number"
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if value < least:
        return f"at least {least:g}"
    return f"at most {most:g}" if value > most else ""


def shorten(value: object) -> str:
    """Returns the value as a message shows it, in a few letters."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
