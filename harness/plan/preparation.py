"""Prepares experiments: finds and checks their data once, lays out their cells, and plans what is still to do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs import identity, on_disk, student_weights
from harness.inputs.own_code import keep_code
from harness.inputs.spec import DataIdentity, Inputs
from harness.plan import departures
from harness.plan.carry_over import carry_over
from harness.plan.departures import describe_runs, name_files
from harness.plan.forecast import RequestedCell
from harness.plan.planner import cells_of, make_plan
from harness.plan.prepared import NOT_RENDERED, Identities, Prepared
from harness.plan.refusals import check_ahead
from harness.plan.task import Cell
from harness.store.records import Results
from harness.store.row_index import AskedRow, note_rows
from pivl.data.listing import keep_listings
from pivl.errors import UserError
from studies.study import Row


def prepare(
    experiments: Sequence[Experiment], results: Results, progress: Progress, retry_failed: bool
) -> Prepared:
    """Finds and checks data and weights, decodes what is still to be trained on, notes what was asked; returns the plan.

    Raises UserError for whatever is wrong with a data set or with weights.
    """
    with keep_listings():
        identities = Identities(partial(find_data, results=results, progress=progress))
        prepared = _plan(experiments, identities, results, progress, retry_failed)
        if _decode(experiments, prepared, results, progress):  # what a note said is not so
            prepared = _plan(experiments, identities, results, progress, retry_failed)
    for experiment in experiments:
        _note(experiment, prepared, results, progress)
    return prepared


def foresee(
    experiments: Sequence[Experiment], results: Results, progress: Progress, retry_failed: bool
) -> Prepared:
    """Returns what `prepare` would; renders and decodes nothing: what is not known of pictures is taken as noted."""
    with keep_listings():
        identities = Identities(partial(_foreseen, results=results, progress=progress))
        prepared = _plan(experiments, identities, results, progress, retry_failed)
    for experiment in experiments:
        _check(experiment, prepared, results)
        with TemporaryDirectory() as place:
            keep_code(_asked_rows(experiment), Results(Path(place), results.warn))
    return prepared


def find_cells(
    experiment: Experiment, results: Results, progress: Progress, before: Prepared | None = None
) -> list[Cell]:
    """Returns the cells of the experiment's table, of data as they were `before`, when the command prepared them.

    Where it did not, a data set is looked at if a folder of it is given, and else data and weights are taken as runs
    noted them, by whatever version of the code: the records that are there are what a table shows.
    """
    with keep_listings():
        known = {} if before is None else before.identities.known
        identities = Identities(partial(_noted_or_found, results=results, progress=progress), known)
        found = identities.of(experiment, experiment.shown)
        weights = identity.noted_weights(experiment.inputs, results) if before is None else ""
        return _cells(experiment, experiment.shown, found, weights, results, progress)


def find_data(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity:
    """Returns what one of the experiment's inputs is now; errors as in harness.inputs.identity.identify."""
    return identity.identify(one, experiment.size, results, progress, experiment.needs_confidence)


def lay_out(
    experiment: Experiment,
    rows: Sequence[str],
    found: Mapping[Inputs, DataIdentity],
    results: Results,
    weights: str = "",
) -> list[Cell]:
    """Returns the cells of `rows` (names), their data being what is `found`; `weights`: a digest, else today's."""
    student = student_weights.weights_digest(experiment.inputs, experiment.student, results)
    weights = weights or identity.weights_digest(experiment.inputs, results)
    return cells_of(experiment, rows, found, weights, student)


def _plan(
    experiments: Sequence[Experiment],
    identities: Identities,
    results: Results,
    progress: Progress,
    retry_failed: bool,
) -> Prepared:
    """Returns the cells of all experiments and one plan over them, after what may be refused at once."""
    requested: list[RequestedCell] = []
    for experiment in experiments:
        found = identities.of(experiment, experiment.rows)
        cells = _cells(experiment, experiment.rows, found, "", results, progress)
        check_ahead(experiment, found, results, progress)
        people = identity.count_people(experiment.inputs, next(iter(found.values())), results)
        requested += [RequestedCell(experiment.name, cell, people) for cell in cells]
    plan = make_plan([one.cell for one in requested], results, retry_failed, experiments[0].rerank)
    return Prepared(tuple(requested), plan, identities)


def _decode(
    experiments: Sequence[Experiment], prepared: Prepared, results: Results, progress: Progress
) -> bool:
    """Checks what is still to be trained on, and decodes it once, before several processes want it.

    Returns whether some of it is not what it was taken for.
    """
    known = prepared.identities.known
    taken = dict(known)
    loaded = set()
    for experiment in experiments:
        _check(experiment, prepared, results)
        for one in dict.fromkeys(cell.inputs for cell in prepared.open_cells(experiment)):
            key = Identities.key(experiment, one)
            if key not in loaded:
                loaded.add(key)
                known[key] = _load(experiment, one, known[key], progress)
    return known != taken


def _note(experiment: Experiment, prepared: Prepared, results: Results, progress: Progress) -> None:
    """Keeps what the experiment asked for and what its data and weights are, for tables that name no folders."""
    found = prepared.identities.of(experiment, experiment.rows)
    for one, data in found.items():
        if not experiment.parser_maps:  # whose folders have to be named again
            identity.remember(one, experiment.size, data, results)
    identity.remember_people(experiment.inputs, next(iter(found.values())), results)
    identity.remember_weights(experiment.inputs, identity.weights_digest(experiment.inputs, results), results)
    student_weights.note(experiment.inputs, experiment.student, results)
    if "mIoU" in experiment.study.columns:
        from harness.inputs import map_scores

        map_scores.measure_maps(found, experiment.size, results, progress)
    keep_code(_asked_rows(experiment), results)
    departures.note_precision(experiment, results)
    if is_shown(experiment):
        note_asked(experiment, prepared.cells(experiment), results)


def _noted(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity | None:
    """The noted identity of inputs without a named folder; None without a note."""
    if not one.is_embedded and (one.data_root or one.part_maps):
        return None
    known = identity.recall(one, experiment.size, results)
    if known is None or one.is_embedded:
        return known
    return on_disk.find_noted(one, known, lambda at: find_data(experiment, at, results, progress), results)


def _noted_or_found(
    experiment: Experiment, one: Inputs, results: Results, progress: Progress
) -> DataIdentity:
    """Returns what is noted of one of the experiment's inputs, by whatever code, or what it is now."""
    if (noted := _noted(experiment, one, results, progress)) is not None:
        return noted
    if one.is_embedded and (noted := identity.recall(one, experiment.size, results, by_any_code=True)):
        progress.warn(
            f"{one.called}{one.in_world}: its images were noted by another version of the code; shown are the runs with "
            "these. run renders the images again, and trains anew only where they differ"
        )
        return noted
    return find_data(experiment, one, results, progress)


def _foreseen(experiment: Experiment, one: Inputs, results: Results, progress: Progress) -> DataIdentity:
    """Returns what is noted of one of the experiment's inputs or what it is now, but renders nothing.

    For images that the current code has not rendered it returns the note of other code, or a placeholder.
    """
    if (noted := _noted(experiment, one, results, progress)) is not None:
        return noted
    if not one.is_embedded:
        return find_data(experiment, one, results, progress)
    noted = identity.recall(one, experiment.size, results, by_any_code=True)
    if noted is None:
        return DataIdentity(f"{NOT_RENDERED}{one.in_world}", one.part_maps or "")
    progress.warn(
        f"{one.called}{one.in_world}: taken as other code noted it; run renders it anew, and does what then differs"
    )
    return noted


def _load(experiment: Experiment, one: Inputs, found: DataIdentity, progress: Progress) -> DataIdentity:
    from harness.inputs.loading import load

    split = load(one, experiment.size, progress)
    found = replace(
        found, fingerprint=split.fingerprint, maps=None if split.train.part_map is None else split.maps
    )
    if experiment.needs_confidence:
        return replace(found, confident=load(one, experiment.size, progress, confidence=True).maps)
    return found


def _check(experiment: Experiment, prepared: Prepared, results: Results) -> None:
    """Raises UserError, before pictures are decoded, for part maps that lack and weights that no run can use."""
    cells = prepared.open_cells(experiment)
    if not cells:
        return
    found = prepared.identities.of(experiment, experiment.rows)
    if any(cell.run.recipe.part_text != "none" and found[cell.inputs].maps is None for cell in cells):
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
    if any(cell.run.recipe.student for cell in cells):
        student_weights.check(experiment.inputs, experiment.student, results)
        load_student_start(experiment.inputs, experiment.student, recipe.image_size)


def _cells(
    experiment: Experiment,
    rows: Sequence[str],
    found: Mapping[Inputs, DataIdentity],
    weights: str,
    results: Results,
    progress: Progress,
) -> list[Cell]:
    """Lets what is stored under names of former versions be found by those of now; returns the cells of `rows`."""
    cells = lay_out(experiment, rows, found, results, weights)
    if not any(data.former for data in found.values()):
        return cells
    former = {one: data.former or data for one, data in found.items()}
    pairs = zip(lay_out(experiment, rows, former, results, weights), cells, strict=True)
    places = {one: data.place or one for one, data in found.items()}

    def note(one: Inputs) -> None:
        if not experiment.parser_maps:  # whose folders have to be named again
            identity.remember(one, experiment.size, found[one], results)

    carry_over(list(pairs), places, experiment.size, results, progress, note)
    return cells


def _asked_rows(experiment: Experiment) -> list[Row]:
    return [row for row in experiment.study.rows if row.name in experiment.rows]


def is_shown(experiment: Experiment) -> bool:
    """Whether its runs are results as they were recorded first, not trials nor re-ranked ones."""
    return not (experiment.limit_steps or experiment.rerank)


def note_asked(experiment: Experiment, cells: Sequence[Cell], results: Results) -> None:
    """Writes the rows of the experiment and their runs to the row index."""
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
