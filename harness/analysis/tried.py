"""The stages of test runs, which `--limit-steps` cut short: steps, loss and seconds, in the place of scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.analysis.outcomes import Recorded
from harness.store.records import Finished, Results
from studies.study import Row


@dataclass(frozen=True)
class TriedStage:
    """A stage of a row, by the row's title, in `seeds` test runs: steps, the loss in the last one, seconds; means."""

    row: str
    stage: str
    seeds: int
    steps: float
    loss: float
    seconds: float


@dataclass(frozen=True)
class Tried:
    """The test runs of a table: how many, cut short after how many steps, and their stages row by row."""

    runs: int
    limit: int
    stages: tuple[TriedStage, ...]


def read_tried(rows: Sequence[Row], recorded: Recorded, results: Results) -> Tried | None:
    """Reads what the test runs among `recorded` did; None where there are none."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    limits = []
    for row in rows:
        for run in recorded.get(row.name, {}).values():
            if isinstance(run, Finished) and (limit := run.record.get("limit_steps")):
                limits.append(limit)
                for stage, figures in _stages(run, results):
                    found.setdefault((row.title, stage), []).append(figures)
    stages = tuple(
        TriedStage(row, stage, len(seen), *(fmean(one) for one in zip(*seen, strict=True)))
        for (row, stage), seen in found.items()
    )
    return Tried(len(limits), max(limits), stages) if limits else None


def _stages(run: Finished, results: Results) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Yields each stage of a run with its steps, last loss and seconds; of what was removed, nothing."""
    folders = {stage: results.stage_folder(identity) for stage, identity in run.record["stages"].items()}
    for stage, folder in {**folders, run.record["stage"]: results.run_folder(run.id)}.items():
        record: dict[str, Any] | None = results.read_record(folder)
        steps = [step for step in results.read_history(folder) if step["stage"] == stage]
        if record is not None and steps:
            yield stage, (len(steps), sum(steps[-1]["terms"].values()), record["cost"]["seconds"])
