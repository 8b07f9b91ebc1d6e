"""The command `pivl-bench table`: a study's table from stored records; it trains nothing."""

from pathlib import Path
from typing import Any

import click

from harness.cli.options import experiment_options, output_option


@click.command()
@experiment_options
@click.option("--format", "form", default="markdown", show_default=True, help="markdown, csv or json.")
@output_option("A file instead of the screen.")
def table(results: Path, form: str, output: Path | None, **typed: Any) -> None:
    """Print the table of STUDY from what is recorded; trains nothing.

    What is missing or failed says so in its place; pivl-bench run STUDY fills it.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.experiment.precision import resolve_precision
    from harness.experiment.request import Request
    from harness.experiment.resolve import resolve
    from harness.inputs.choices import choose
    from harness.report import markdown
    from harness.store.records import Results
    from pivl.system.outputs import write_text_output

    print_as = markdown.PRINTERS[choose("format", form, markdown.PRINTERS)]
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    experiment = resolve(resolve_precision(Request(**typed), store))
    recorded = api.read_outcomes(experiment, store, progress)
    text = print_as(api.make_table(experiment, recorded, store))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)
