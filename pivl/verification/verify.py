"""Equality with the original code: reference files computed again, key by key, by the code that `run` uses.

Nothing hangs on a processor. Another one adds up in another order, so a figure may be off by what that does to it: by its
measure, which follows from how it is computed, or else by what rounding is seen to do here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from pivl.errors import UserError
from pivl.verification import clip_reid, retrieval, schp
from pivl.verification.reference_file import (
    AS_MADE,
    RATES,
    ROUNDINGS,
    Check,
    Figures,
    Recomputed,
    brief,
    compare,
    read_figures,
)

HOPELESS = 30  # times what could pass

Progress = Callable[[str], None]
Recompute = Callable[[Figures, Progress, int], Iterator[Recomputed]]


@dataclass(frozen=True)
class Kind:
    """How files of one kind are computed again, which of their keys are inputs, and how often rounding is tried.

    `recompute` gives every figure of a file; with a nudge of 1, 2, ..., weights and inputs are moved by about a rounding.
    """

    recompute: Recompute
    nudges: int
    is_input: Callable[[str], bool] = lambda _: False


KINDS = {
    "clip-reid": Kind(clip_reid.recompute, nudges=5),
    "evaluation": Kind(retrieval.recompute, nudges=10, is_input=retrieval.INPUTS.__contains__),
    "schp": Kind(schp.recompute, nudges=0, is_input=schp.is_input),
}


def verify_file(path: Path, progress: Progress) -> list[Check]:
    """One check for every figure in a reference file, in its order, then for those that it lacks; inputs have none.

    `progress` is told what is being computed. Raises UserError, one line naming the file, where it cannot be read, is
    of a kind that is not known here, or describes nothing that can be computed.
    """
    figures = read_figures(path)
    kind = KINDS.get(str(figures.meta.get("kind")))
    if kind is None:
        raise UserError(
            f"{path}: figures of kind {brief(figures.meta.get('kind'))} cannot be verified; give files of kind "
            f"{' or '.join(KINDS)}"
        )
    keys = [key for key in figures.values if not kind.is_input(key)]
    if not keys:
        raise figures.unfit("it holds no figures")
    computed = {item.key: item for item in kind.recompute(figures, progress, 0)}
    ours = {key: computed[key] for key in keys if key in computed}
    checks = {key: compare(item, figures.values[key]) for key, item in ours.items()}
    checks |= judge_doubtful(kind, figures, ours, checks, progress)
    absent = [Check(key, float("inf"), 0.0, False, absent=True) for key in computed if key not in ours]
    return [checks.get(key, Check(key, float("inf"), 0.0, False)) for key in keys] + absent


def judge_doubtful(
    kind: Kind,
    figures: Figures,
    ours: dict[str, Recomputed],
    checks: dict[str, Check],
    progress: Progress,
) -> dict[str, Check]:
    """New checks for what failed but depends on rounding, from a few runs with weights and inputs moved by one rounding.

    The largest effect of all runs counts. No further one is spent on a deviation of more than 30 times what could pass,
    or 15 times after two runs, and so on: the largest of many is seldom far above that of few. But whether two distances
    equal up to rounding change places is a toss of a coin, so ranks are given all of them.
    """
    nudged: dict[str, list[Tensor]] = {
        key: []
        for key, check in checks.items()
        if not check.passed and check.deviation < float("inf") and ours[key].measure is not RATES
    }
    again: dict[str, Check] = {}
    open_keys = list(nudged)
    for number in range(1, kind.nudges + 1):
        if not open_keys:
            break
        progress("again with everything moved by one rounding, to see what that alone changes")
        for item in kind.recompute(figures, progress, number):
            if item.key in nudged:
                nudged[item.key].append(item.ours)
        again = {key: compare(ours[key], figures.values[key], moved) for key, moved in nudged.items()}
        open_keys = [
            key
            for key, check in again.items()
            if not check.passed
            and (
                ours[key].measure.relative_to == "nothing"
                or number * check.deviation < HOPELESS * max(check.tolerance, ROUNDINGS * check.rounding)
            )
        ]
    return again


def format_checks(checks: list[Check]) -> str:
    """A table of checks: key, largest deviation, tolerance, pass or fail, and what the file lacks; no final newline."""
    absent = [check.key for check in checks if check.absent]
    checks = [replace(check, key=_on_one_line(check.key)) for check in checks if not check.absent]
    width = max(len(check.key) for check in checks)
    lines = [f"{'key':{width}}  deviation  tolerance  result"]
    for check in checks:
        result = "pass" if check.passed else "FAIL"
        if check.rounding > check.tolerance / ROUNDINGS:
            result += f" (rounding alone moves it by {check.rounding:.1e})"
        lines.append(f"{check.key:{width}}  {check.deviation:9.1e}  {check.tolerance:9.0e}  {result}")
    if absent:
        lines.append(f"the file lacks {', '.join(absent)}; {AS_MADE}")
    return "\n".join(lines)


def _on_one_line(key: str) -> str:
    return key if key.isprintable() else repr(key)
