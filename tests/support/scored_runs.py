"""Runs of the ablation with drawn scores of queries, the Table built from them, and the cells that it prints."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis import comparison
from harness.analysis.outcomes import Outcome, Outcomes
from harness.analysis.table import Table
from harness.report import markdown as printers
from harness.store.records import Finished
from studies.catalog import STUDIES

ABLATION = replace(STUDIES["ablation"], rows=tuple(row for row in STUDIES["ablation"].rows if row.default))
SIGNATURE = "mAP|synthped@3fa9c1|q120 g240|junk:same-camera"
PEOPLE = np.repeat(np.arange(40), 3)
SEEDS = (0, 1, 2)
METRICS = {"part_accuracy": 39.0, "part_majority": 28.4, "part_margin": 0.2, "part_margin_across": 0.1}


def scored_run(
    seed: int,
    gain: float = 0.0,
    signature: str = SIGNATURE,
    people: np.ndarray = PEOPLE,
    metrics: Mapping[str, float] = METRICS,
) -> Finished:
    """A run whose average precision is `gain` above a difficulty of its query, with a little noise of its seed."""
    difficulty = np.random.default_rng(0).uniform(0.2, 0.6, len(people))
    noise = np.random.default_rng([seed, int(1000 * gain) % 997]).normal(0, 0.01, len(people))
    score = difficulty + noise + gain
    queries = pd.DataFrame(
        {
            "person": people,
            "camera": 0,
            "average_precision": score,
            "first_match": np.where(score > 0.5, 0, 4),
            "inp": score,
        }
    )
    record = {"date": f"2026-11-2{seed}T06:30:00+00:00", "recipe": {"precision": "fp32"}}
    name = f"run-{gain:g}-{seed}"
    return Finished(name, seed, dict(metrics), signature, queries, "cpu (test)", "abc1234", record)


def outcomes_of(**gains: float) -> dict[str, dict[int, Outcome]]:
    return {
        name.replace("_", "-"): {seed: scored_run(seed, gain) for seed in SEEDS}
        for name, gain in gains.items()
    }


def whole_ablation() -> dict[str, dict[int, Outcome]]:
    return outcomes_of(clip_reid=0.0, part_labels=0.003, identity_parts=-0.05, pi_vl=0.05)


def build(outcomes: Outcomes) -> Table:
    return comparison.build(ABLATION, "synthped", outcomes)


def cells(markdown: str, title: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def named_cells(markdown: str, title: str) -> dict[str, str]:
    """The cells of the row `title` in all grids of a text that have it, by their headings."""
    found: dict[str, str] = {}
    grids = re.findall(r"(?:^\|.*\n?)+", markdown, flags=re.M)
    for grid in grids:
        headings, _, *rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in grid.splitlines()]
        for row in rows:
            if row[0].strip() == title:
                found |= dict(zip(map(str.strip, headings), map(str.strip, row), strict=True))
    return found


def json_rows(table: Table) -> dict[str, dict[str, Any]]:
    return {row["row"]: row for row in json.loads(printers.PRINTERS["json"](table))["rows"]}
