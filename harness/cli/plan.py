"""The command `pivl-bench plan`: what a study still needs; it starts nothing."""

from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    device_options,
    format_option,
    retry_option,
    setting_options,
    study_argument,
)
from harness.experiment.request import Request
from harness.launch.options import Options


@collect(request=Request, options=Options)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@device_options
@retry_option("Count failed runs as to do.")
@format_option("markdown", "json")
def plan(request: Request, options: Options, results: Path, form: str) -> None:
    """Forecast run STUDY without starting it: runs, stages, work, time and disk.

    Prints every run with its state, which stages rows share and what that saves, and the work, time and disk that
    are still to be spent. Times are as measured on this device before; a short run with --limit-steps measures them.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.inputs.choices import choose
    from harness.report.plan import PRINTERS

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    click.echo(print_as(api.plan(request, results, options, Progress.on_stderr(quiet=False))), nl=False)
