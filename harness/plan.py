"""What is to be done: the cells of a study's table, and the tasks that fill those not yet filled.

A task is what one process does at a time: a stage that several runs start from, stored once, or a run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.records import Failed, Results, Run
from pivl.recipe import Recipe, Stage
from studies.presets import Preset
from studies.study import Study

Weights = Callable[[str], str]


@dataclass(frozen=True)
class Cell:
    """One row of a table at one seed, and the run that answers it."""

    row: str
    title: str
    run: Run


@dataclass(frozen=True)
class Task:
    """Train and store `stage` of `run`; the last stage also scores the model and stores the whole run.

    `needs` are the ids of the tasks that must have ended well before.
    """

    id: str
    name: str
    stage: Stage
    run: Run
    needs: tuple[str, ...]

    @property
    def is_run(self) -> bool:
        """Whether this is the run itself, not one of the stages it starts from."""
        return self.stage == self.run.recipe.stages()[-1]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Task":
        """A task from `to_json`, in this process or another."""
        stored: Mapping[str, Any] = value["run"]["recipe"]
        choices: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stored.items()}
        run = Run(**{**value["run"], "recipe": Recipe(**choices)})
        return cls(value["id"], value["name"], value["stage"], run, tuple(value["needs"]))


def lay_out(
    study: Study,
    preset: Preset,
    rows: Sequence[str],
    seeds: Sequence[int],
    fingerprint: str,
    weights: Weights,
) -> list[Cell]:
    """The cells of `rows` (names) at `seeds`, row by row; `weights` gives the digest of a backbone's checkpoint."""
    cells = []
    for row in study.rows:
        if row.name in rows:
            recipe = replace(row.recipe, **preset.changes)
            dataset = preset.dataset or study.dataset
            runs = [Run(recipe, dataset, fingerprint, weights(recipe.backbone), seed) for seed in seeds]
            cells += [Cell(row.name, row.title, run) for run in runs]
    return cells


@dataclass(frozen=True)
class Plan:
    """How far a question is answered, in numbers of runs, and the tasks that are still to do."""

    finished: int
    failed: int
    tasks: tuple[Task, ...]

    def __str__(self) -> str:
        todo = sum(task.is_run for task in self.tasks)
        failed = f", {self.failed} failed before (--retry-failed does them again)" if self.failed else ""
        return (
            f"{self.finished} of {self.finished + self.failed + todo} runs are finished, {todo} to do{failed}"
        )


def make_plan(cells: Sequence[Cell], results: Results, retry_failed: bool) -> Plan:
    """What is still to do of `cells`: each task once, stages before the runs that start from them.

    A finished run is never done again, a failed one only with `retry_failed`.
    """
    runs = {cell.run.id: cell for cell in cells}
    found = {run_id: results.read_run(run_id) for run_id in runs}
    failed = [] if retry_failed else [run_id for run_id in runs if isinstance(found[run_id], Failed)]
    todo = [
        cell for run_id, cell in runs.items() if found[run_id] is None or isinstance(found[run_id], Failed)
    ]
    todo = [cell for cell in todo if cell.run.id not in failed]
    stages: dict[str, Task] = {}
    for run in (cell.run for cell in todo):
        for stage in run.recipe.stages()[:-1]:
            stage_id = run.stage_id(stage)
            stages.setdefault(stage_id, Task(stage_id, f"{stage}, seed {run.seed}", stage, run, ()))
    missing = {stage_id for stage_id in stages if not results.has_stage(stage_id)}
    tasks = [task for task in stages.values() if task.id in missing]
    for cell in todo:
        last, run = cell.run.recipe.stages()[-1], cell.run
        tasks.append(Task(run.id, f"{cell.title}, seed {run.seed}", last, run, ()))
    ordered = tuple(replace(task, needs=_needs(task, missing)) for task in tasks)
    return Plan(len(runs) - len(failed) - len(todo), len(failed), ordered)


def _needs(task: Task, missing: set[str]) -> tuple[str, ...]:
    stages = task.run.recipe.stages()
    before = [task.run.stage_id(stage) for stage in stages[: stages.index(task.stage)]]
    return tuple(stage_id for stage_id in before if stage_id in missing)
