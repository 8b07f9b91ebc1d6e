"""Prepares an experiment: finds and checks its data, and lays out its cells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.experiment.experiment import Question
from harness.inputs import identity, on_disk, student_weights
from harness.inputs.spec import Found, Inputs
from harness.plan import departures
from harness.plan.carry_over import carry_over
from harness.plan.forecast import Asker
from harness.plan.planner import Plan, lay_out, make_plan
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


def _askers(question: Question, found: Mapping[Inputs, Found], results: Results) -> list[Asker]:
    """The cells that the question asks for, and on how many pictures."""
    people = identity.count_people(question.inputs, results)
    return [Asker(question.name, cell, people) for cell in _lay_out(question, question.rows, found, results)]


def _foresee(question: Question, one: Inputs, results: Results, progress: Progress) -> Found:
    """What stands for pictures that are not rendered yet; files on disk are looked at."""
    if one.is_embedded:
        return Found("not rendered", one.part_maps or "")
    return _find(question, one, results, progress)


def _prepare(question: Question, results: Results, progress: Progress, retry_failed: bool) -> list[Asker]:
    """The cells of the question, with its pictures in the cache and noted where runs are still to do."""
    found = {one: _find(question, one, results, progress) for one in question.all_inputs(question.rows)}
    _carry_over(question, question.rows, found, results, progress)
    check_ahead(question, found, results, progress)
    cells = _lay_out(question, question.rows, found, results)
    plan = make_plan(cells, results, retry_failed, question.rerank)
    if plan.tasks:
        _check(question, plan, found, results)
        # Into the cache once, before several processes want it; and what a note says is not taken for granted.
        found = {one: _load(question, one, data, progress) for one, data in found.items()}
    for one, data in found.items():
        if not question.parser_maps:  # whose folders have to be named again
            identity.note(one, question.size, data, results)
    identity.note_people(question.inputs, results)
    identity.note_weights(question.inputs, identity.weights_digest(question.inputs, results), results)
    student_weights.note(question.inputs, question.student, results)
    if "mIoU" in question.study.columns:
        from harness.inputs import map_scores

        map_scores.measure_maps(found, question.size, results, progress)
    askers = _askers(question, found, results)
    departures.note_precision(question, results)
    if is_shown(question):
        note_asked(question, [asker.cell for asker in askers], results)
    return askers


def _noted(question: Question, one: Inputs, results: Results, progress: Progress) -> Found | None:
    """What runs noted of inputs of which no folder is named; None where they noted nothing."""
    if not one.is_embedded and (one.data_root or one.part_maps):
        return None
    known = identity.noted(one, question.size, results)
    if known is None or one.is_embedded:
        return known
    return on_disk.find_noted(one, known, lambda at: _find(question, at, results, progress), results)


def _find(question: Question, one: Inputs, results: Results, progress: Progress) -> Found:
    return identity.find(one, question.size, results, progress, question.needs_confidence)


def _load(question: Question, one: Inputs, found: Found, progress: Progress) -> Found:
    from harness.inputs.loading import load

    split = load(one, question.size, progress)
    found = replace(
        found, fingerprint=split.fingerprint, maps=None if split.train.part_map is None else split.maps
    )
    if question.needs_confidence:
        return replace(found, confident=load(one, question.size, progress, confidence=True).maps)
    return found


def _check(question: Question, plan: Plan, found: Mapping[Inputs, Found], results: Results) -> None:
    """Raise UserError, before pictures are decoded, for part maps that lack and weights that no run can use."""
    if any(task.run.recipe.part_text != "none" and found[task.inputs].maps is None for task in plan.tasks):
        needy = [row.name for row in question.study.rows if question.recipe(row).part_text != "none"]
        rows = [name for name in needy if name in question.rows]
        without = [row.name for row in question.study.rows if row.name not in needy]
        raise UserError(
            f"{question.dataset} has no part maps, which {', '.join(rows)} need; name their folder with "
            f"--part-maps, or choose --rows {','.join(without)}"
        )
    from harness.inputs.loading import load_start, load_student_start

    recipe = question.recipe(question.study.rows[0])
    load_start(question.inputs, recipe.image_size, recipe.patch_stride)
    if any(task.run.recipe.student for task in plan.tasks):
        student_weights.check(question.inputs, question.student, results)
        load_student_start(question.inputs, question.student, recipe.image_size)


def _carry_over(
    question: Question,
    rows: Sequence[str],
    found: Mapping[Inputs, Found],
    results: Results,
    progress: Progress,
) -> None:
    """Let what is stored under names of former versions be found by those of now."""
    if not any(data.former for data in found.values()):
        return
    former = {one: data.former or data for one, data in found.items()}
    pairs = zip(*(_lay_out(question, rows, known, results) for known in (former, found)), strict=True)
    places = {one: data.place or one for one, data in found.items()}

    def note(one: Inputs) -> None:
        if not question.parser_maps:  # whose folders have to be named again
            identity.note(one, question.size, found[one], results)

    carry_over(list(pairs), places, question.size, results, progress, note)


def _lay_out(
    question: Question, rows: Sequence[str], found: Mapping[Inputs, Found], results: Results
) -> list[Cell]:
    student = student_weights.weights_digest(question.inputs, question.student, results)
    return lay_out(question, rows, found, identity.weights_digest(question.inputs, results), student)


def is_shown(question: Question) -> bool:
    """Whether its runs are results as they were recorded first, not trials nor re-ranked ones."""
    return not (question.limit_steps or question.rerank)


def note_asked(question: Question, cells: Sequence[Cell], results: Results) -> None:
    """Keep which rows the question asked for and the runs that answer them."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    asked = [
        AskedRow(
            table=question.name,
            dataset=question.dataset,
            fingerprint=of_row[0].run.fingerprint,
            row=row,
            title=of_row[0].title,
            changed=dict(question.changes),
            choices=of_row[0].run.recipe.choices(),
            runs={cell.run.seed: cell.run.id for cell in of_row},
            file=name_files(question, cells, results),
            apart=describe_runs(question, of_row[0].partial),
        )
        for row, of_row in rows.items()
    ]
    note_rows(asked, results)
