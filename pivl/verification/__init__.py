"""Equality with the original code: reference files computed again, key by key, by the code that `run` uses."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pivl.verification import clip_reid, retrieval
from pivl.verification.figures import ROUNDINGS, Check, Figures, Recomputed, compare, read_figures

Progress = Callable[[str], None]
Recompute = Callable[[Figures, Progress], Iterator[Recomputed]]
ONE_ROUNDING = 2.0**-24  # of a float32, relative
KINDS: dict[str, Recompute] = {"clip-reid": clip_reid.recompute, "evaluation": retrieval.recompute}
NUDGED: dict[str, Recompute] = {
    "clip-reid": lambda figures, progress: clip_reid.recompute(figures, progress, ONE_ROUNDING)
}


def verify_file(path: Path, progress: Progress) -> list[Check]:
    """One check for every figure in a reference file, in its order; inputs that the file carries are none.

    `progress` is told what is being computed. Raises UserError, one line naming the file, where it cannot be read, is
    of a kind that is not known here, or describes nothing that can be computed.
    """
    figures = read_figures(path)
    kind = str(figures.meta.get("kind"))
    if kind not in KINDS:
        raise figures.unfit(f"its kind is {figures.meta.get('kind')!r}, not one of {', '.join(KINDS)}")
    keys = [key for key in figures.values if key not in retrieval.INPUTS]
    if not keys:
        raise figures.unfit("it holds no figures")
    ours = {item.key: item for item in KINDS[kind](figures, progress) if item.key in keys}
    checks = {key: compare(item, figures.values[key]) for key, item in ours.items()}
    doubtful = {
        key
        for key, check in checks.items()
        if not check.passed and ours[key].measure.relative_to == "largest"
    }
    if doubtful and kind in NUDGED:
        progress("again from inputs moved by one rounding, to see what that alone changes")
        for item in NUDGED[kind](figures, progress):
            if item.key in doubtful:
                checks[item.key] = compare(ours[item.key], figures.values[item.key], item.ours)
    return [checks.get(key, Check(key, float("inf"), 0.0, False)) for key in keys]


def format_checks(checks: list[Check]) -> str:
    """A table of checks: key, largest deviation, tolerance, pass or fail; no final newline."""
    width = max(len(check.key) for check in checks)
    lines = [f"{'key':{width}}  deviation  tolerance  result"]
    for check in checks:
        result = "pass" if check.passed else "FAIL"
        if check.rounding > check.tolerance / ROUNDINGS:
            result += f" (rounding of the inputs alone moves it by {check.rounding:.1e})"
        lines.append(f"{check.key:{width}}  {check.deviation:9.1e}  {check.tolerance:9.0e}  {result}")
    return "\n".join(lines)
