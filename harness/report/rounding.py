"""Tabulates the effect of rounding on a row's mAP: equal rows and seeds with two arithmetics."""

import json
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import stdev
from typing import Any

from harness.analysis.outcomes import Recorded
from harness.store.records import Finished
from pivl.errors import UserError
from pivl.system.files import write_text
from pivl.system.json_files import read_json

Scores = dict[str, dict[str, list[float]]]  # by row: seeds, and mAP in percent "here" and "other"


def compare_arithmetic(here: Recorded, other: Recorded) -> Scores:
    """The mAP of every row and seed that both folders finished. UserError where a row has fewer than two such seeds."""
    scores: Scores = {}
    for row, runs in here.items():
        pairs = {
            seed: (run.metrics["mAP"], twin.metrics["mAP"])
            for seed, run in sorted(runs.items())
            if isinstance(run, Finished) and isinstance(twin := other[row].get(seed), Finished)
        }
        if len(pairs) < 2:
            raise UserError(
                f"{row}: both folders must have finished two of its seeds; run them with --seeds 0-4"
            )
        ours, theirs = zip(*pairs.values(), strict=True)
        scores[row] = {"seeds": list(pairs), "here": list(ours), "other": list(theirs)}
    return scores


def keep(path: Path, precision: str, scores: Scores) -> None:
    """Writes the scores of a precision to a JSON file, beside those of others that stand there."""
    noted = read_json(path) if path.exists() else {}
    write_text(path, json.dumps({**noted, precision: scores}, indent=1) + "\n")


def rounding_lines(noted: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line per precision and row: seeds, mean mAP, and in points what rounding and seeds do to it."""
    return [
        (
            row,
            precision,
            str(len(one["seeds"])),
            f"{_mean(one['here']):.2f}",
            *_spreads(one["here"], one["other"]),
        )
        for precision, rows in noted.items()
        for row, one in rows.items()
    ]


def _spreads(here: Sequence[float], other: Sequence[float]) -> tuple[str, str, str]:
    """The deviation by rounding pooled over seeds, the largest of one seed, and the deviation of seeds."""
    squares = [(b - a) ** 2 for a, b in zip(here, other, strict=True)]
    return f"{sqrt(_mean(squares) / 2):.2f}", f"{sqrt(max(squares)):.2f}", f"{stdev(here):.2f}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
