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
from pivl.errors import UserError

SAID = 5  # other tables that the folder has, where the one asked for has no run


@collect(request=Request)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@click.option("--columns", metavar="NAMES", default="", help="Columns of the results, as map,rank5,minp,map-gain; a "
              "name that is none has them all listed.")  # fmt: skip
@click.option(
    "--brief", is_flag=True, help="The rows, the answer and what was measured alone; as LaTeX a float."
)
@click.option("--wide", is_flag=True, help="On a terminal: all of it, however narrow that is.")
@format_option("markdown", "html", "latex", "csv", "json")
@output_option("A file instead of the screen.")
def table(
    request: Request, results: Path, columns: str, brief: bool, wide: bool, form: str, output: Path | None
) -> None:
    """Print the table of STUDY from what is recorded; trains nothing.

    What is missing or failed says so in its place; pivl-bench run STUDY fills it. On a terminal its width decides how
    much is printed: rows with mAP, gain, p, verdict and seeds on a narrow one; a file or a pipe gets Markdown.
    """
    from harness import api
    from harness.cli.answer import show
    from harness.display.progress import Progress
    from harness.inputs.choices import choose
    from harness.report.markdown import PAGES, PRINTERS
    from harness.report.page.columns import choose_columns
    from harness.report.page.document import Layout
    from harness.store.contents import stored_tables
    from harness.store.records import Results
    from pivl.system.outputs import write_text_output

    choose("format", form, PRINTERS)
    for option in ("--columns",) * bool(columns) + ("--brief",) * brief:
        if form not in PAGES:
            raise UserError(f"{option}: {form} has everything; leave it out, or choose {', '.join(PAGES)}")
    progress = Progress.on_stderr(quiet=False)
    found = api.table(request, results, progress).table
    empty = found.footer is None and not found.is_tried_only
    if empty and (stored := stored_tables(Results(results, progress.warn))):
        progress.warn(
            f"no finished run of this table. {results} has {'; '.join(stored[:SAID])}: name its --dataset, --backbone "
            "and --preset; pivl-bench results list shows more"
        )
    layout = Layout(choose_columns(columns, found) if columns else (), brief)
    text = PAGES[form](found, layout) if form in PAGES else PRINTERS[form](found)
    if output is not None:
        write_text_output(output, text)
        needs = r"; it needs \usepackage[T1]{fontenc} and \usepackage{booktabs}" if form == "latex" else ""
        click.echo(f"{output}: written{needs}")
    elif form == "markdown":
        show(found, wide, layout)
    else:
        click.echo(text, nl=False)
