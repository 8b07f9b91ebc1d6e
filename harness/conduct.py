"""How a study is conducted: what is still to do of a question, doing it, and the table of what is recorded."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from harness import departures, inputs, on_disk, students, track
from harness.campaign import Asker, Campaign, Spot, draw_up
from harness.campaign_text import brief
from harness.carry_over import carry_over
from harness.foreseen import check_ahead
from harness.inputs import Found, Inputs
from harness.measured import Measured
from harness.origin import foresee_device
from harness.plan import Cell, Plan, lay_out, make_plan
from harness.progress import Progress
from harness.question import Question
from harness.records import Failed, Finished, Results
from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.table import Table

Recorded = Mapping[str, Mapping[int, Finished | Failed | None]]
"""What is recorded of each row, by name, at each seed."""


@dataclass(frozen=True)
class Options:
    """How runs are done; nothing of it changes a result.

    jobs: None for what suits the device. scheduler: that of a Dask cluster; None with launcher dask: one of its own.
    mlflow: whether its database is made before they begin.
    """

    device: str = "auto"
    jobs: int | None = None
    retry_failed: bool = False
    checkpoint_every: str = "auto"
    gpus_per_run: int = 1
    launcher: str = "local"
    scheduler: str | None = None
    mlflow: bool = True


def read_answer(question: Question, results: Results, progress: Progress) -> Recorded:
    """What is recorded of the rows of the question's table; where its data are found see `find_cells`."""
    return read_cells(question, find_cells(question, results, progress), results)


def find_cells(question: Question, results: Results, progress: Progress) -> list[Cell]:
    """The cells of the question's table.

    A data set is looked at where a folder of it is given, and else taken as runs noted it.
    """
    found = {
        one: _noted(question, one, results, progress) or _find(question, one, results, progress)
        for one in question.all_inputs(question.shown)
    }
    _carry_over(question, question.shown, found, results, progress)
    return _lay_out(question, question.shown, found, results)


def read_cells(question: Question, cells: Sequence[Cell], results: Results) -> Recorded:
    """What is recorded of `cells`, re-ranked or not as the question has it."""
    read = results.read_reranked if question.rerank else results.read_run
    recorded: dict[str, dict[int, Finished | Failed | None]] = {}
    for cell in cells:
        recorded.setdefault(cell.row, {})[cell.run.seed] = read(cell.run.id)
    return recorded


def answer(questions: Sequence[Question], results: Results, progress: Progress, options: Options) -> None:
    """Do what is still to do of the questions, and record it; what several of them need is done once."""
    if options.scheduler is not None:
        from harness.dask_launcher import check_scheduler

        check_scheduler(options.scheduler)
    askers = [asker for question in questions for asker in _prepare(question, results, progress, options)]
    plan = make_plan([one.cell for one in askers], results, options.retry_failed, questions[0].rerank)
    how_far, *details = brief(_draw_up(questions, askers, plan, results, options))
    for line in (how_far, *(details if plan.tasks else ())):
        progress.note(line)
    if plan.tasks:
        with ThreadPoolExecutor(1) as beside:  # MLflow takes as long to load as the workers do
            if options.mlflow and any(map(track.is_shown, questions)):
                beside.submit(track.prepare, results, progress)
            launch(plan, results, progress, options)


def launch(plan: Plan, results: Results, progress: Progress, options: Options) -> None:
    """Do the tasks of a plan on this machine, or on a Dask cluster."""
    from harness.launch import Agenda

    every, ranks = options.checkpoint_every, options.gpus_per_run
    tasks = [replace(task, checkpoint_every=every, ranks=ranks) for task in plan.tasks]
    agenda = Agenda(tasks, results, progress)
    if options.launcher == "dask":
        from harness.dask_launcher import DaskLauncher

        DaskLauncher(agenda, options.device, options.jobs, options.gpus_per_run, options.scheduler).run()
    else:
        from harness.local_launcher import LocalLauncher

        LocalLauncher(agenda, options.device, options.jobs, options.gpus_per_run).run()


def survey(questions: Sequence[Question], results: Results, progress: Progress, options: Options) -> Campaign:
    """What the questions come to; starts nothing, and renders no pictures to learn the ids of runs."""
    askers: list[Asker] = []
    identified = True
    for question in questions:
        found = {one: _noted(question, one, results, progress) for one in question.all_inputs(question.rows)}
        identified = identified and all(data or not one.is_embedded for one, data in found.items())
        known = {one: data or _foresee(question, one, results, progress) for one, data in found.items()}
        _carry_over(question, question.rows, known, results, progress)
        check_ahead(question, known, results, progress)
        asked = _askers(question, known, results)
        own = make_plan([one.cell for one in asked], results, options.retry_failed, question.rerank)
        if own.tasks:
            _check(question, own, known, results)
        askers += asked
    plan = make_plan([one.cell for one in askers], results, options.retry_failed, questions[0].rerank)
    return _draw_up(questions, askers, plan, results, options, identified)


def _draw_up(
    questions: Sequence[Question], askers: Sequence[Asker], plan: Plan, results: Results, options: Options,
    identified: bool = True,
) -> Campaign:  # fmt: skip
    device, slots = foresee_device(options.device) if plan.tasks else ("no device", 1)
    spot = Spot(device, options.jobs or slots, Measured.read(results, device))
    return draw_up([question.name for question in questions], askers, plan, results, spot, identified)


def _askers(question: Question, found: Mapping[Inputs, Found], results: Results) -> list[Asker]:
    """The cells that the question asks for, and on how many pictures."""
    people = inputs.count_people(question.inputs, results)
    return [Asker(question.name, cell, people) for cell in _lay_out(question, question.rows, found, results)]


def _foresee(question: Question, one: Inputs, results: Results, progress: Progress) -> Found:
    """What stands for pictures that are not rendered yet; files on disk are looked at."""
    if one.is_embedded:
        return Found("not rendered", one.part_maps or "")
    return _find(question, one, results, progress)


def _prepare(question: Question, results: Results, progress: Progress, options: Options) -> list[Asker]:
    """The cells of the question, with its pictures in the cache and noted where runs are still to do."""
    found = {one: _find(question, one, results, progress) for one in question.all_inputs(question.rows)}
    _carry_over(question, question.rows, found, results, progress)
    check_ahead(question, found, results, progress)
    cells = _lay_out(question, question.rows, found, results)
    plan = make_plan(cells, results, options.retry_failed, question.rerank)
    if plan.tasks:
        _check(question, plan, found, results)
        # Into the cache once, before several processes want it; and what a note says is not taken for granted.
        found = {one: _load(question, one, data, progress) for one, data in found.items()}
    for one, data in found.items():
        if not question.parser_maps:  # whose folders have to be named again
            inputs.note(one, question.size, data, results)
    inputs.note_people(question.inputs, results)
    inputs.note_weights(question.inputs, inputs.weights_digest(question.inputs, results), results)
    students.note(question.inputs, question.student, results)
    if "mIoU" in question.study.columns:
        from harness import further

        further.measure_maps(found, question.size, results, progress)
    askers = _askers(question, found, results)
    departures.note_precision(question, results)
    if track.is_shown(question):
        track.note_asked(question, [asker.cell for asker in askers], results)
    return askers


def _noted(question: Question, one: Inputs, results: Results, progress: Progress) -> Found | None:
    """What runs noted of inputs of which no folder is named; None where they noted nothing."""
    if not one.is_embedded and (one.data_root or one.part_maps):
        return None
    known = inputs.noted(one, question.size, results)
    if known is None or one.is_embedded:
        return known
    return on_disk.find_noted(one, known, lambda at: _find(question, at, results, progress), results)


def _find(question: Question, one: Inputs, results: Results, progress: Progress) -> Found:
    return inputs.find(one, question.size, results, progress, question.needs_confidence)


def _load(question: Question, one: Inputs, found: Found, progress: Progress) -> Found:
    split = inputs.load(one, question.size, progress)
    found = replace(
        found, fingerprint=split.fingerprint, maps=None if split.train.part_map is None else split.maps
    )
    if question.needs_confidence:
        return replace(found, confident=inputs.load(one, question.size, progress, confidence=True).maps)
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
    from harness.starts import load_start, load_student_start

    recipe = question.recipe(question.study.rows[0])
    load_start(question.inputs, recipe.image_size, recipe.patch_stride)
    if any(task.run.recipe.student for task in plan.tasks):
        students.check(question.inputs, question.student, results)
        load_student_start(question.inputs, question.student, recipe.image_size)


def make_table(question: Question, recorded: Recorded, results: Results) -> "Table":
    """The table of what is recorded; what is not says so in its place."""
    from harness import further, tables
    from harness.table import Setting

    outcomes = {row: {seed: _say(run) for seed, run in seeds.items()} for row, seeds in recorded.items()}
    rows = tuple(row for row in question.study.rows if row.name in question.shown)
    notes = [note for note in (_inequality(question), _random_starts(recorded)) if note]
    runs = [run for seeds in recorded.values() for run in seeds.values()]
    partial, unsure = departures.find_partial(question, runs, results)
    setting = Setting(
        "" if partial or unsure else question.published,
        question.printed,
        "; ".join(notes),
        departures.changed(question),
        partial,
        departures.describe(question, partial, unsure),
    )
    study, warning = replace(question.study, rows=rows), question.preset.warning
    columns = further.find_columns(study.columns, recorded, results)
    return tables.build(study, question.setting, outcomes, warning, setting, columns)


def _inequality(question: Question) -> str:
    """What else but their own changes tells the rows of the two methods apart, as a note; empty: nothing."""
    ours, theirs = (
        asdict(question.base.recipes[method]) | dict(question.changes) for method in ("PI-VL", "CLIP-ReID")
    )
    named = [f"{name} {ours[name]} instead of {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if not named:
        return ""
    return f"as the paper says, rows of PI-VL also have {', '.join(named)}; --set FIELD=VALUE makes all rows equal"


def _random_starts(recorded: Recorded) -> str:
    """That students had no weights to start from, as a note; empty where they had, or where there are none."""
    runs = [run for seeds in recorded.values() for run in seeds.values() if isinstance(run, Finished)]
    if not any(run.record.get("student_weights") == "" for run in runs):
        return ""
    return "students start from random weights, not from ImageNet's; --student-weights FILE names them"


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
            inputs.note(one, question.size, found[one], results)

    carry_over(list(pairs), places, question.size, results, progress, note)


def _lay_out(
    question: Question, rows: Sequence[str], found: Mapping[Inputs, Found], results: Results
) -> list[Cell]:
    student = students.weights_digest(question.inputs, question.student, results)
    return lay_out(question, rows, found, inputs.weights_digest(question.inputs, results), student)


def _say(run: Finished | Failed | None) -> Finished | str:
    """A run that is there, or why it is not, as a table says it after "seed 1 "."""
    if run is None:
        return "missing"
    if isinstance(run, Failed):
        return f"failed: {run.error}"
    steps = run.record.get("limit_steps")
    return f"is a trial of {steps} steps per stage, no result" if steps else run
