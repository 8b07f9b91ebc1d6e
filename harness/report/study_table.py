"""Builds the table of an experiment from its records, and keeps it as files in the results folder."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.outcomes import Outcome, Recorded, outcome_of
from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.external.methods import external_row
from harness.plan import departures
from harness.plan.preparation import find_cells
from harness.plan.prepared import Prepared
from harness.plan.task import Cell
from harness.store.records import Failed, Finished, Results
from harness.system.code_digest import code_digest
from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.analysis.table import Table


def read_outcomes(experiment: Experiment, results: Results, progress: Progress) -> Recorded:
    """Returns what is recorded of the rows of the experiment's table; where its data are found see `find_cells`."""
    return read_cells(experiment, find_cells(experiment, results, progress), results)


def read_cells(experiment: Experiment, cells: Sequence[Cell], results: Results) -> Recorded:
    """Returns what is recorded of `cells`, re-ranked or not as the experiment has it."""
    read = results.read_reranked if experiment.rerank else results.read_run
    recorded: dict[str, dict[int, Finished | Failed | None]] = {}
    for cell in cells:
        recorded.setdefault(cell.row, {})[cell.run.seed] = read(cell.run.id)
    return recorded


def is_complete(experiment: Experiment, recorded: Recorded) -> bool:
    """Returns whether every run that the experiment asks for is finished."""
    return all(isinstance(run, Finished) for row in experiment.rows for run in recorded[row].values())


def make_table(experiment: Experiment, recorded: Recorded, results: Results) -> "Table":
    """Returns the table of what is recorded; what is not says so in its place."""
    from harness.analysis import columns as columns_module
    from harness.analysis import comparison
    from harness.analysis.table import Setting
    from harness.analysis.tried import read_tried

    outcomes = _outcomes(recorded)
    rows = tuple(row for row in experiment.study.rows if row.name in experiment.shown)
    joined, origin = _join(experiment, recorded, results) if experiment.external else ({}, "")
    outcomes |= joined
    rows += tuple(external_row(name) for name in joined)
    notes = [
        note for note in (_inequality(experiment), _left_out(experiment), _random_starts(recorded)) if note
    ]
    notes += [origin] if origin else []
    runs = [run for seeds in recorded.values() for run in seeds.values()]
    partial, unsure = departures.find_partial(experiment, runs, results)
    setting = Setting(
        "" if partial or unsure else experiment.published,
        experiment.printed,
        "; ".join(notes),
        departures.in_heading(experiment),
        partial,
        departures.describe(experiment, partial, unsure),
        experiment.inputs.backbone,
        code_digest(),
    )
    study, warning = replace(experiment.study, rows=rows), experiment.preset.warning
    columns = columns_module.find_columns(study.columns, recorded, results)
    table = comparison.build(study, experiment.setting, outcomes, warning, setting, columns)
    return replace(table, tried=read_tried(rows, recorded, results))


def check_joined(experiments: Sequence[Experiment]) -> None:
    """Raises UserError, before anything is trained, for methods of other code that no table can have."""
    for experiment in experiments:
        if experiment.external:
            from harness.external.joining import read_each

            _refuse_taken([name for name, *_ in read_each(experiment.external)], experiment)


def _refuse_taken(names: Iterable[str], experiment: Experiment) -> None:
    for name in {row.name for row in experiment.study.rows}.intersection(names):
        raise UserError(f"--with {name}: a row of {experiment.study.name} is called so; choose another name")


def read_tables(
    experiments: Sequence[Experiment], results: Results, progress: Progress, prepared: Prepared | None
) -> "Iterator[tuple[Table, list[Recorded]]]":
    """Yields the table of each study and what is recorded of it, in each world where several stand side by side.

    Where the command `prepared` them, tables are kept as files once they were taken: of each world, and across worlds.
    """
    for _, group in groupby(experiments, lambda one: replace(one, inputs=replace(one.inputs, world=0))):
        worlds = list(group)
        cells = [find_cells(experiment, results, progress, prepared) for experiment in worlds]
        recorded = [read_cells(*one, results) for one in zip(worlds, cells, strict=True)]
        tables = [make_table(*one, results) for one in zip(worlds, recorded, strict=True)]
        kept = list(zip(tables, worlds, cells, strict=True))
        if worlds[1:]:
            across = _make_table_across(worlds, recorded, tables)
            kept.append((across, worlds[0], [cell for of_world in cells for cell in of_world]))
        yield kept[-1][0], recorded
        for one in kept if prepared is not None else ():
            keep_table(*one, results)


def _make_table_across(
    experiments: Sequence[Experiment], recorded: Sequence[Recorded], tables: "Sequence[Table]"
) -> "Table":
    """The table of a study across worlds, of which each of `experiments` is one, from those of each."""
    from harness.analysis.worlds import World, build_across

    worlds = [
        World.of(experiment.inputs.world, table, _outcomes(found))
        for experiment, table, found in zip(experiments, tables, recorded, strict=True)
    ]
    numbers = ", ".join(str(world.number) for world in worlds)
    first = experiments[0]
    everywhere = replace(first, inputs=replace(first.inputs, world=0))
    return build_across(worlds, f"{everywhere.setting}, worlds {numbers}")


def _outcomes(recorded: Recorded) -> dict[str, dict[int, Outcome]]:
    return {row: {seed: outcome_of(run) for seed, run in seeds.items()} for row, seeds in recorded.items()}


def _join(
    experiment: Experiment, recorded: Recorded, results: Results
) -> tuple[dict[str, dict[int, Outcome]], str]:
    """The methods of other code that the table has, and their origin; UserError for a name that a row has."""
    from harness.external.joining import describe_joined, join_methods

    runs = [run for seeds in recorded.values() for run in seeds.values() if isinstance(run, Finished)]
    joined = join_methods(experiment.external, runs, results)
    _refuse_taken(joined, experiment)
    return {name: dict(seeds) for name, seeds in joined.items()}, describe_joined(joined)


def keep_table(table: "Table", experiment: Experiment, cells: Sequence[Cell], results: Results) -> None:
    """Writes the table as Markdown and JSON, and its figure; of experiments cut short, which have no results, nothing."""
    from harness.report import markdown
    from harness.report.figures.plate import own_style
    from harness.report.forest import draw_effects
    from harness.report.gain_plot import draw_gains
    from harness.store import kept_tables

    if experiment.limit_steps:
        return
    name = departures.name_files(experiment, cells, results)
    for ending, form in (("md", "markdown"), ("json", "json")):
        text = markdown.PRINTERS[form](table)
        kept_tables.keep(f"{name}.{ending}", partial(Path.write_text, data=text, encoding="utf-8"), results)
    if experiment.study.figure is not None:
        draw = draw_gains if experiment.study.figure == "mIoU" else draw_effects
        with own_style():
            draw(table, results.root / "tables" / f"{name}.png")
        kept_tables.note(results.root / "tables" / f"{name}.png", results)


def _inequality(experiment: Experiment) -> str:
    """A note on rows that start from another recipe than the others, and on fields in which it differs; else empty."""
    shared = asdict(experiment.base.recipes["paper"])
    said = []
    for row in experiment.study.rows:
        own = asdict(experiment.base.recipes[row.start])
        named = [
            f"{name} {own[name]} instead of {shared[name]}"
            for name in own
            if own[name] != shared[name] and name not in {**experiment.changes, **row.changes}
        ]
        if named and row.name in experiment.shown:
            said.append(f"{row.title} has, as its own code, {', '.join(named)}")
    return f"{'; '.join(said)}; --set FIELD=VALUE makes all rows equal" if said else ""


def _left_out(experiment: Experiment) -> str:
    """A note on rows that the data set cannot have; empty without any."""
    names = [row.name for row in experiment.study.rows if not experiment.can_have(row)]
    return f"without {', '.join(names)}, which only rendered people can have" if names else ""


def _random_starts(recorded: Recorded) -> str:
    """A note that students start from random weights; empty if they do not, or without students."""
    runs = [run for seeds in recorded.values() for run in seeds.values() if isinstance(run, Finished)]
    if not any(run.record.get("student_weights") == "" for run in runs):
        return ""
    return "students start from random weights, not from ImageNet's; --student-weights FILE names them"
