"""The answer to a experiment, shown: its table printed and kept as files."""

from functools import partial
from pathlib import Path

import click

from harness import api
from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.plan import departures
from harness.report import markdown
from harness.report.gain_plot import draw_gains
from harness.store import kept_tables
from harness.store.records import Finished, Results


def show_answer(experiment: Experiment, results: Results, progress: Progress) -> bool:
    """Print and keep the table of what is recorded; whether every run that was asked for is."""
    cells = api.find_cells(experiment, results, progress)
    recorded = api.read_cells(experiment, cells, results)
    table = api.make_table(experiment, recorded, results)
    text = markdown.markdown(table)
    click.echo(text, nl=False)
    if not experiment.limit_steps:
        name = departures.name_files(experiment, cells, results)
        for ending, form in (("md", "markdown"), ("json", "json")):
            text = markdown.PRINTERS[form](table)
            kept_tables.keep(
                f"{name}.{ending}", partial(Path.write_text, data=text, encoding="utf-8"), results
            )
        if "mIoU" in experiment.study.columns:
            draw_gains(table, results.root / "tables" / f"{name}.png")
            kept_tables.note(results.root / "tables" / f"{name}.png", results)
    return all(isinstance(found, Finished) for row in experiment.rows for found in recorded[row].values())
