"""Draws figures by name and keeps them: in the results folder by the name of their table, or where the user says."""

from pathlib import Path

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs.choices import choose
from harness.plan.departures import name_files
from harness.plan.preparation import find_cells
from harness.report import study_table
from harness.report.figures.asked import Asked
from harness.report.figures.catalog import NAMES, find_drawing
from harness.report.figures.options import FigureOptions
from harness.report.figures.plate import ENDINGS, check_ending, keep, own_style
from harness.store.records import Results
from pivl.errors import UserError

ALL = "all"


def draw(
    name: str, experiment: Experiment, results: Results, progress: Progress, options: FigureOptions,
    output: Path | None = None,
) -> list[Path]:  # fmt: skip
    """Draws the figure `name` of an experiment, or all, and returns the files that were written; as `draw_asked`.

    Raises UserError before anything is read for a name that no figure has, and for a file that cannot be one.
    """
    if choose("figure", name, (*NAMES, ALL)) == ALL and output:
        raise UserError("--output: all figures go to the results folder; name one figure, or leave it out")
    if output:
        check_ending(output)
    asked, table = ask(experiment, results, progress, options)
    with own_style():
        return draw_asked(name, asked, table, output)


def ask(
    experiment: Experiment, results: Results, progress: Progress, options: FigureOptions
) -> tuple[Asked, str]:
    """The table and runs that figures of an experiment are drawn from, and the name of its table's files."""
    seeds = ", ".join(map(str, experiment.seeds))
    progress.note(
        f"{experiment.study.name} on {experiment.setting}: {', '.join(experiment.shown)}; seeds {seeds}; "
        f"runs of {results.root}"
    )
    cells = find_cells(experiment, results, progress)
    recorded = study_table.read_cells(experiment, cells, results)
    table = study_table.make_table(experiment, recorded, results)
    return Asked(table, recorded, results, options, progress), name_files(experiment, cells, results)


def draw_asked(name: str, asked: Asked, table: str, output: Path | None = None) -> list[Path]:
    """Draws the figure `name`, one of NAMES, or all, and returns the files that were written.

    Of all, one that cannot be drawn is a warning and the others come. `table`: the name of the table's files, by which
    figures are called. Raises UserError where nothing can be drawn.
    """
    if name != ALL:
        return _draw(name, asked, [output] if output else _paths(asked, table, name))
    written: list[Path] = []
    for one in NAMES:
        try:
            written += _draw(one, asked, _paths(asked, table, one))
        except UserError as error:
            asked.results.warn(f"{one}: {error}")
    if not written:
        raise UserError(f"{asked.table.study.name}: no figure could be drawn")
    return written


def _draw(name: str, asked: Asked, paths: list[Path]) -> list[Path]:
    with asked.progress.at_work(name, "drawing"):
        written = keep(find_drawing(name)(asked), paths)
    asked.progress.note(f"{name}: written as {', '.join(path.name for path in written)}")
    return written


def _paths(asked: Asked, table: str, name: str) -> list[Path]:
    folder = asked.results.root / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / f"{table}-{name}{ending}" for ending in ENDINGS]
