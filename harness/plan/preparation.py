"""Prepares an experiment: finds and checks its data, and lays out its cells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs import identity, on_disk, student_weights
from harness.inputs.spec import DataIdentity, Inputs
from harness.plan import departures
from harness.plan.carry_over import carry_over
from harness.plan.forecast import RequestedCell
from harness.plan.planner import Plan, cells_of, make_plan
from harness.plan.refusals import check_ahead
from harness.plan.task import Cell
from harness.store.records import Results
from pivl.errors import UserError

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

from harness.plan.departures import describe_runs, name_files
from harness.store.row_index import AskedRow, note_rows

if TYPE_CHECKING:
    pass


def _askers(
    experiment: Experiment, found: Mapping[Inputs, DataIdentity], results: Results
) -> list[RequestedCell]:
    """The cells that the experiment asks for, and on how many pictures."""
    people = identity.count_people(experiment.inputs, results)
    return [
        RequestedCell(experiment.name, cell, people)
        for cell in _lay_out(experiment, experiment.rows, found, results)
    ]


def _foresee(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity:
    """What stands for pictures that are not rendered yet; files on disk are looked at."""
    if one.is_embedded:
        return DataIdentity("not rendered", one.part_maps or "")
    return _find(experiment, one, results, progress)


def _prepare(
    experiment: Experiment, results: Results, progress: Progress, retry_failed: bool
) -> list[RequestedCell]:
    """The cells of the experiment, with its pictures in the cache and noted where runs are still to do."""
    found = {one: _find(experiment, one, results, progress) for one in experiment.all_inputs(experiment.rows)}
    _carry_over(experiment, experiment.rows, found, results, progress)
    check_ahead(experiment, found, results, progress)
    cells = _lay_out(experiment, experiment.rows, found, results)
    plan = make_plan(cells, results, retry_failed, experiment.rerank)
    if plan.tasks:
        _check(experiment, plan, found, results)
        # Into the cache once, before several processes want it; and what a note says is not taken for granted.
        found = {one: _load(experiment, one, data, progress) for one, data in found.items()}
    for one, data in found.items():
        if not experiment.parser_maps:  # whose folders have to be named again
            identity.remember(one, experiment.size, data, results)
    identity.remember_people(experiment.inputs, results)
    identity.remember_weights(experiment.inputs, identity.weights_digest(experiment.inputs, results), results)
    student_weights.note(experiment.inputs, experiment.student, results)
    if "mIoU" in experiment.study.columns:
        from harness.inputs import map_scores

        map_scores.measure_maps(found, experiment.size, results, progress)
    requested = _askers(experiment, found, results)
    departures.note_precision(experiment, results)
    if is_shown(experiment):
        note_asked(experiment, [asker.cell for asker in requested], results)
    return requested


def _noted(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity | None:
    """What runs noted of inputs of which no folder is named; None where they noted nothing."""
    if not one.is_embedded and (one.data_root or one.part_maps):
        return None
    known = identity.recall(one, experiment.size, results)
    if known is None or one.is_embedded:
        return known
    return on_disk.find_noted(one, known, lambda at: _find(experiment, at, results, progress), results)


def _find(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity:
    return identity.identify(one, experiment.size, results, progress, experiment.needs_confidence)


def _load(experiment: Experiment, one: Inputs, found: DataIdentity, progress: Progress) -> DataIdentity:
    from harness.inputs.loading import load

    split = load(one, experiment.size, progress)
    found = replace(
        found, fingerprint=split.fingerprint, maps=None if split.train.part_map is None else split.maps
    )
    if experiment.needs_confidence:
        return replace(found, confident=load(one, experiment.size, progress, confidence=True).maps)
    return found


def _check(
    experiment: Experiment, plan: Plan, found: Mapping[Inputs, DataIdentity], results: Results
) -> None:
    """Raise UserError, before pictures are decoded, for part maps that lack and weights that no run can use."""
    if any(task.run.recipe.part_text != "none" and found[task.inputs].maps is None for task in plan.tasks):
        needy = [row.name for row in experiment.study.rows if experiment.recipe(row).part_text != "none"]
        rows = [name for name in needy if name in experiment.rows]
        without = [row.name for row in experiment.study.rows if row.name not in needy]
        raise UserError(
            f"{experiment.dataset} has no part maps, which {', '.join(rows)} need; name their folder with "
            f"--part-maps, or choose --rows {','.join(without)}"
        )
    from harness.inputs.loading import load_start, load_student_start

    recipe = experiment.recipe(experiment.study.rows[0])
    load_start(experiment.inputs, recipe.image_size, recipe.patch_stride)
    if any(task.run.recipe.student for task in plan.tasks):
        student_weights.check(experiment.inputs, experiment.student, results)
        load_student_start(experiment.inputs, experiment.student, recipe.image_size)


def _carry_over(
    experiment: Experiment,
    rows: Sequence[str],
    found: Mapping[Inputs, DataIdentity],
    results: Results,
    progress: Progress,
) -> None:
    """Let what is stored under names of former versions be found by those of now."""
    if not any(data.former for data in found.values()):
        return
    former = {one: data.former or data for one, data in found.items()}
    pairs = zip(*(_lay_out(experiment, rows, known, results) for known in (former, found)), strict=True)
    places = {one: data.place or one for one, data in found.items()}

    def note(one: Inputs) -> None:
        if not experiment.parser_maps:  # whose folders have to be named again
            identity.remember(one, experiment.size, found[one], results)

    carry_over(list(pairs), places, experiment.size, results, progress, note)


def _lay_out(
    experiment: Experiment, rows: Sequence[str], found: Mapping[Inputs, DataIdentity], results: Results
) -> list[Cell]:
    student = student_weights.weights_digest(experiment.inputs, experiment.student, results)
    return cells_of(experiment, rows, found, identity.weights_digest(experiment.inputs, results), student)


def is_shown(experiment: Experiment) -> bool:
    """Whether its runs are results as they were recorded first, not trials nor re-ranked ones."""
    return not (experiment.limit_steps or experiment.rerank)


def note_asked(experiment: Experiment, cells: Sequence[Cell], results: Results) -> None:
    """Keep which rows the experiment asked for and the runs that answer them."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    asked = [
        AskedRow(
            table=experiment.name,
            dataset=experiment.dataset,
            fingerprint=of_row[0].run.fingerprint,
            row=row,
            title=of_row[0].title,
            changed=dict(experiment.changes),
            choices=of_row[0].run.recipe.choices(),
            runs={cell.run.seed: cell.run.id for cell in of_row},
            file=name_files(experiment, cells, results),
            apart=describe_runs(experiment, of_row[0].partial),
        )
        for row, of_row in rows.items()
    ]
    note_rows(asked, results)
