"""The command `pivl-bench report`: one HTML file that shows a study; it trains nothing."""

from pathlib import Path

import click

from harness.cli.options import GroupedCommand, collect, output_option, setting_options, study_argument
from harness.experiment.request import Request


@collect(request=Request)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@output_option("The file.", "report.html")
def report(request: Request, results: Path, output: Path) -> None:
    """Make one HTML file that shows STUDY: verdict, table, figures, rank lists; it needs nothing else to be read.

    A figure that cannot be drawn, for example because the images are missing, is replaced by the reason.
    """
    from harness import api
    from harness.display.progress import Progress

    written = api.report(request, results, output, progress=Progress.on_stderr(quiet=False))
    click.echo(written[0])
