"""Orders of rows, the paper's beside those that a benchmark of ours measured: Kendall's tau with its exact p."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.claims.table import MEAN_AP, RANK1, Dataset
from harness.store.kept_tables import NOTE
from pivl.errors import UserError

COMMITTED = Path(__file__).parents[3] / "results" / "reference"
TABLES = ("ablation", "ablation-tiny-global", "ablation-tiny-vit")  # committed, each from another start
ADVICE = "name a table that `pivl-bench table --format json` printed, or a results folder that has some"
KEYS = {MEAN_AP: "map", RANK1: "rank1"}
LEAST = 3  # rows: two have an order by luck every other time
COUNTED = 7  # rows whose orders are counted one by one


@dataclass(frozen=True)
class Order:
    """Rows in one metric: as the paper printed and as we measured them, in percent, and how far the orders agree.

    same, other: pairs of rows in the same and in the opposite order; ties are neither. tau: Kendall's tau-b; nan where
    all are tied. p: two-sided, exact. least_p: of so many rows in the same order, the smallest there is. not_learned:
    rows whose training failed.
    """

    source: str
    dataset: str
    metric: str
    rows: tuple[str, ...]
    published: tuple[float, ...]
    measured: tuple[float, ...]
    same: int
    other: int
    tau: float
    p: float
    least_p: float
    not_learned: tuple[str, ...]


def committed() -> list[Path]:
    """The committed tables of the ablation on the embedded benchmark; empty where this is no checkout."""
    return [path for name in TABLES if (path := COMMITTED / f"{name}.json").exists()]


def find_orders(places: Sequence[Path], dataset: Dataset | None = None) -> tuple[Order, ...]:
    """The orders of each table in `places`, files or results folders; `dataset`: only what was published of it.

    Raises UserError for what is no table of ours.
    """
    files = [file for place in places for file in (_tables_in(place) if place.is_dir() else [place])]
    return tuple(
        found
        for file in files
        for metric in KEYS
        if (found := _order(file, _read(file), metric, dataset)) is not None
    )


def _tables_in(folder: Path) -> list[Path]:
    found = sorted(path for path in (folder / "tables").glob("*.json") if path.name != NOTE)
    if not found:
        raise UserError(f"--measured {folder}: no table in it; {ADVICE}")
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        for row in document["rows"]:
            row["title"], row["paper"], row["map"], row["rank1"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--measured {file}: no table of ours; {ADVICE}") from error
    found: dict[str, Any] = document
    return found


def _order(file: Path, document: dict[str, Any], metric: str, dataset: Dataset | None) -> Order | None:
    """The order of a table's rows; None for fewer than three that have both a published and a measured figure."""
    key = KEYS[metric]
    rows = [row for row in document["rows"] if row["paper"] and row[key]]
    if dataset is not None:
        rows = [row for row in rows if row["paper"]["dataset"] == dataset.title]
    if len(rows) < LEAST:
        return None
    published = [float(row["paper"][key]) for row in rows]
    measured = [float(row[key]["mean"]) for row in rows]
    pairs = concordance(published, measured)
    return Order(
        source=f"{file.stem} ({document['dataset']})",
        dataset=rows[0]["paper"]["dataset"],
        metric=metric,
        rows=tuple(row["title"] for row in rows),
        published=tuple(published),
        measured=tuple(measured),
        same=int((pairs > 0).sum()),
        other=int((pairs < 0).sum()),
        tau=float(stats.kendalltau(published, measured).statistic),
        p=exact_p(published, measured),
        least_p=2 / factorial(len(rows)),
        not_learned=tuple(row["title"] for row in rows if row.get("not_learned")),
    )


def concordance(one: Sequence[float], other: Sequence[float]) -> np.ndarray:
    """For each pair of places 1 where both sequences order it alike, -1 where not, 0 where one has a tie."""
    pairs = list(combinations(range(len(one)), 2))
    signs = [np.array([np.sign(of[b] - of[a]) for a, b in pairs]) for of in (one, other)]
    return signs[0] * signs[1]


def exact_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of Kendall's tau: the share of all orders of `other` that are as far from chance beside `one`.

    Of more rows than COUNTED it is scipy's, exact where there are no ties.
    """
    if len(one) > COUNTED:
        return float(stats.kendalltau(one, other).pvalue)
    found = abs(concordance(one, other).sum())
    return float(np.mean([abs(concordance(one, order).sum()) >= found for order in permutations(other)]))
