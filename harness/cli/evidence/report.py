"""The command `pivl-bench report`: one HTML file that shows a study; it trains nothing."""

from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    output_option,
    quiet_option,
    setting_options,
    study_argument,
)
from harness.experiment.request import Request


@collect(request=Request)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@output_option("The file.", "report.html")
@quiet_option("name of the file")
def report(request: Request, results: Path, output: Path, quiet: bool) -> None:
    """Make one HTML file that shows STUDY: verdict, table, figures, rank lists; it needs nothing else to be read.

    A figure that cannot be drawn, for example because the images are missing, is replaced by the reason.
    """
    from harness.display.progress import Progress

    progress = Progress.on_stderr(quiet)
    progress.note(f"report: reading what {results} has")  # before all that takes long to load
    from harness import api

    try:
        written = api.report(request, results, output, progress=progress)
    finally:
        progress.close()
    click.echo(written[0])
