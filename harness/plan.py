"""What is to be done: the cells of a study's table, and the tasks that fill those not yet filled.

A task is what one process does at a time: a stage that several runs start from, stored once, or a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.inputs import Found, Inputs
from harness.question import Question
from harness.records import Results, Run
from pivl.recipe import Recipe, Stage


@dataclass(frozen=True)
class Cell:
    """One row of a table at one seed, the run that answers it, what that run starts from and what its data lack."""

    row: str
    title: str
    run: Run
    inputs: Inputs
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """Train and store `stage` of `run`; the last stage also scores the model and stores the whole run.

    `row` is what it goes by, together with its seed. `needs` are the ids of the tasks that must have ended well before.
    `rerank`: train nothing, score the stored model with re-ranking. `checkpoint_every`, as harness.checkpoints.Interval
    reads it, changes no result; that `ranks` processes train it together changes no more than rounding does.
    `partial`: what its data lack (harness.inputs.Found).
    """

    id: str
    row: str
    stage: Stage
    run: Run
    inputs: Inputs
    needs: tuple[str, ...] = ()
    rerank: bool = False
    checkpoint_every: str = "auto"
    ranks: int = 1
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person calls it; no other task of a plan has it."""
        return f"{self.row}, seed {self.run.seed}"

    @property
    def is_run(self) -> bool:
        """Whether this is the run itself, not one of the stages it starts from nor its re-ranking."""
        return self.stage == self.run.recipe.stages()[-1] and not self.rerank

    def is_stored(self, results: Results) -> bool:
        """Whether what it makes is there and sound."""
        if not (self.is_run or self.rerank):
            return results.has_stage(self.id)
        record = results.find_reranked(self.run.id) if self.rerank else results.find_run(self.id)
        return record is not None and record["status"] == "finished"

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Task":
        """A task from `to_json`, in this process or another."""
        run, inputs = run_from_json(value["run"]), Inputs(**value["inputs"])
        return cls(**{**value, "run": run, "inputs": inputs, "needs": tuple(value["needs"])})


def run_from_json(value: Mapping[str, Any]) -> Run:
    """A run from what `asdict` and JSON made of it."""
    stored: Mapping[str, Any] = value["recipe"]
    choices: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stored.items()}
    return Run(**{**value, "recipe": Recipe(**choices)})


def lay_out(
    question: Question,
    rows: Sequence[str],
    found: Mapping[Inputs, Found],
    weights: str,
    student_weights: str = "",
) -> list[Cell]:
    """The cells of `rows` (names) at the question's seeds, row by row.

    found: what each row's inputs are (Question.inputs_of); the digests are of the weights that all start from, and of
    those of students.
    """
    cells = []
    for row in question.study.rows:
        if row.name in rows:
            recipe, inputs = question.recipe(row), question.inputs_of(row)
            data, limit, start = found[inputs], question.limit_steps, student_weights if row.student else ""
            for seed in question.seeds:
                maps = data.maps_of(recipe)
                run = Run(recipe, question.dataset, data.fingerprint, weights, seed, limit, maps, start)
                cells.append(Cell(row.name, row.title, run, inputs, data.partial))
    return cells


@dataclass(frozen=True)
class Plan:
    """How far a question is answered, in numbers of runs, and the tasks that are still to do."""

    finished: int
    failed: int
    todo: int
    tasks: tuple[Task, ...]


def make_plan(cells: Sequence[Cell], results: Results, retry_failed: bool, rerank: bool = False) -> Plan:
    """What is still to do of `cells`: each task once, stages before the runs that start from them.

    A finished run is never done again, a failed one only with `retry_failed`. With `rerank`, runs are finished when
    their re-ranked scores are stored.
    """
    runs: dict[str, Cell] = {}
    for cell in cells:
        runs.setdefault(cell.run.id, cell)  # which goes by the title that it has in the first study
    found = {run_id: record["status"] for run_id in runs if (record := results.find_run(run_id)) is not None}
    failed = [] if retry_failed else [run_id for run_id in runs if found.get(run_id) == "failed"]
    todo = [cell for run_id, cell in runs.items() if run_id not in failed and found.get(run_id) != "finished"]
    stages: dict[str, Task] = {}
    names: set[str] = set()
    for cell in todo:
        for stage in cell.run.recipe.stages()[:-1]:
            stage_id = cell.run.stage_id(stage)
            if stage_id in stages:
                continue
            task = Task(stage_id, stage, stage, cell.run, cell.inputs, partial=cell.partial)
            if task.name in names:
                task = replace(task, row=f"{stage} of {cell.title}")  # rows of two methods may not share it
            names.add(task.name)
            stages[stage_id] = task
    missing = {stage_id for stage_id in stages if not results.has_stage(stage_id)}
    tasks = [task for task in stages.values() if task.id in missing]
    names = {task.name for task in tasks}
    for cell in todo:
        last = cell.run.recipe.stages()[-1]
        task = Task(cell.run.id, cell.title, last, cell.run, cell.inputs, partial=cell.partial)
        if task.name in names:
            task = replace(task, row=f"{cell.title} ({cell.run.id[:6]})")  # two studies have it for two runs
        names.add(task.name)
        tasks.append(task)
    ordered = [replace(task, needs=_needs(task, missing)) for task in tasks]
    finished = [run_id for run_id in runs if found.get(run_id) == "finished"]
    if rerank:
        finished = [run_id for run_id in finished if results.find_reranked(run_id) is not None]
        ordered += _rerankings(
            [cell for run_id, cell in runs.items() if run_id not in {*finished, *failed}], todo
        )
    return Plan(len(finished), len(failed), len(runs) - len(finished) - len(failed), tuple(ordered))


def _rerankings(cells: Sequence[Cell], todo: Sequence[Cell]) -> list[Task]:
    """The re-rankings of `cells`, each after its run where that is still to do."""
    waiting = {cell.run.id for cell in todo}
    return [
        Task(
            f"{cell.run.id}-reranked",
            f"{cell.title}, re-ranked",
            cell.run.recipe.stages()[-1],
            cell.run,
            cell.inputs,
            needs=(cell.run.id,) if cell.run.id in waiting else (),
            rerank=True,
            partial=cell.partial,
        )
        for cell in cells
    ]


def _needs(task: Task, missing: set[str]) -> tuple[str, ...]:
    stages = task.run.recipe.stages()
    before = [task.run.stage_id(stage) for stage in stages[: stages.index(task.stage)]]
    return tuple(stage_id for stage_id in before if stage_id in missing)
