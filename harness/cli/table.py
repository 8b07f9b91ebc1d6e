"""The command `pivl-bench table`: a study's table from stored records; it trains nothing."""

from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    format_option,
    output_option,
    setting_options,
    study_argument,
)
from harness.experiment.request import Request


@collect(request=Request)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@format_option("markdown", "csv", "json")
@output_option("A file instead of the screen.")
def table(request: Request, results: Path, form: str, output: Path | None) -> None:
    """Print the table of STUDY from what is recorded; trains nothing.

    What is missing or failed says so in its place; pivl-bench run STUDY fills it.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.inputs.choices import choose
    from harness.report.markdown import PRINTERS
    from pivl.system.outputs import write_text_output

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    text = print_as(api.table(request, results, Progress.on_stderr(quiet=False)).table)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)
