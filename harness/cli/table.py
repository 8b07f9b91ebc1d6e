"""The command `pivl-bench table`: a study's table from stored records; it trains nothing."""

from pathlib import Path
from typing import Any

import click

from harness.cli.options import output_option, question_options


@click.command()
@question_options
@click.option("--format", "form", default="markdown", show_default=True, help="markdown, csv or json.")
@output_option("A file instead of the screen.")
def table(results: Path, form: str, output: Path | None, **typed: Any) -> None:
    """Print the table of STUDY from what is recorded; trains nothing.

    What is missing or failed says so in its place; pivl-bench run STUDY fills it.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.experiment.precision import settle
    from harness.experiment.request import Asked
    from harness.experiment.resolve import ask
    from harness.inputs.choices import choose
    from harness.report import markdown
    from harness.store.records import Results
    from pivl.system.outputs import write_text_output

    print_as = markdown.PRINTERS[choose("format", form, markdown.PRINTERS)]
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    question = ask(settle(Asked(**typed), store))
    recorded = api.read_answer(question, store, progress)
    text = print_as(api.make_table(question, recorded, store))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)
