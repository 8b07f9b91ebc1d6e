"""Plans an experiment: the cells of a study's table, and the tasks for missing cells.

A task is what one process does at a time: a stage that several runs start from, stored once, or a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.experiment.experiment import Experiment
from harness.inputs.spec import DataIdentity, Inputs
from harness.plan.task import Cell, Task, is_finished
from harness.store.record_file import Record, lacks_weights
from harness.store.records import Results
from harness.store.run import Run
from pivl.errors import UserError


def cells_of(
    experiment: Experiment,
    rows: Sequence[str],
    found: Mapping[Inputs, DataIdentity],
    weights: str,
    student_weights: str = "",
) -> list[Cell]:
    """The cells of `rows` (names) at the experiment's seeds, row by row.

    found: what each row's inputs are (Experiment.inputs_of); the digests are of the weights that all start from, and of
    those of students.
    """
    cells = []
    for row in experiment.study.rows:
        if row.name in rows:
            recipe, inputs = experiment.recipe(row), experiment.inputs_of(row)
            data, limit, start = found[inputs], experiment.limit_steps, student_weights if row.student else ""
            for seed in experiment.seeds:
                maps = data.maps_of(recipe)
                run = Run(recipe, experiment.dataset, data.fingerprint, weights, seed, limit, maps, start)
                redo = row.name in experiment.redo
                cells.append(Cell(row.name, row.title, run, inputs, data.partial, redo))
    return cells


@dataclass(frozen=True)
class Plan:
    """The missing tasks, stages before the runs that start from them."""

    tasks: tuple[Task, ...]


def make_plan(cells: Sequence[Cell], results: Results, retry_failed: bool, rerank: bool = False) -> Plan:
    """The missing tasks of `cells`: each once, stages before the runs that start from them.

    A finished run is done again only where its row is to be redone and other code made it, with its stages, or its
    weights were removed; a failed one only with `retry_failed`. With `rerank`, runs are finished when their re-ranked
    scores are stored. Raises UserError for those that are to be re-ranked and have no weights.
    """
    runs: dict[str, Cell] = {}
    for cell in cells:
        runs.setdefault(cell.run.id, cell)  # which goes by the title that it has in the first study
    redone = {cell.run.id for cell in cells if cell.redo}
    found = {run_id: record for run_id in runs if (record := results.find_run(run_id, run_id in redone))}
    kept = {run_id for run_id, record in found.items() if is_finished(record, run_id in redone)}
    failed = {one for one, record in found.items() if record["status"] == "failed" and not retry_failed}
    todo = [cell for run_id, cell in runs.items() if run_id not in failed | kept]
    anew = {
        one
        for cell in todo
        if cell.run.id in redone
        for one in cell.run.stages_before("image-tower").values()
    }
    stages: dict[str, Task] = {}
    names: set[str] = set()
    for cell in todo:
        for stage in cell.run.recipe.stages()[:-1]:
            stage_id = cell.run.stage_id(stage)
            if stage_id in stages:
                continue
            again = stage_id in anew
            task = Task(stage_id, stage, stage, cell.run, cell.inputs, partial=cell.partial, redo=again)
            if task.name in names:
                task = replace(task, row=f"{stage} of {cell.title}")  # rows of two methods may not share it
            names.add(task.name)
            stages[stage_id] = task
    missing = {stage_id for stage_id, task in stages.items() if not task.is_stored(results)}
    tasks = [task for task in stages.values() if task.id in missing]
    names = {task.name for task in tasks}
    for cell in todo:
        last, again = cell.run.recipe.stages()[-1], cell.run.id in redone
        task = Task(cell.run.id, cell.title, last, cell.run, cell.inputs, partial=cell.partial, redo=again)
        if task.name in names:
            task = replace(task, row=f"{cell.title} ({cell.run.id[:6]})")  # two studies have it for two runs
        names.add(task.name)
        tasks.append(task)
    ordered = [replace(task, needs=_needs(task, missing)) for task in tasks]
    if rerank:
        done = {one for one in kept if results.find_reranked(one) is not None}
        _check_weights([runs[one] for one in runs if one in kept - done], found, results)
        ordered += _rerankings([cell for one, cell in runs.items() if one not in {*done, *failed}], todo)
    return Plan(tuple(ordered))


def _check_weights(cells: Sequence[Cell], found: Mapping[str, Record], results: Results) -> None:
    """Raises UserError for finished runs that are to be re-ranked and whose weights were removed."""
    bare = [one for one in cells if lacks_weights(results.run_folder(one.run.id), found[one.run.id])]
    if bare:
        rows = ",".join(dict.fromkeys(cell.row for cell in bare))
        raise UserError(
            f"{results.root}: {len(bare)} runs of {rows} have no weights, which re-ranking needs; --redo {rows} trains "
            "them again"
        )


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
    return tuple(stage_id for stage_id in task.run.stages_before(task.stage).values() if stage_id in missing)
