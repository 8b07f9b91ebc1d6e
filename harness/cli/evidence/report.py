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

    Figures that cannot be drawn, as those of images that are away, are a line in their place.
    """
    from harness.display.progress import Progress
    from harness.experiment.resolve import resolve
    from harness.report.figures.drawing import ask
    from harness.report.figures.options import FigureOptions
    from harness.report.page.study_page import study_page
    from harness.store.records import Results
    from pivl.system.outputs import write_text_output

    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    asked, name = ask(resolve(request, store), store, progress, FigureOptions())
    page = study_page(asked, request)
    write_text_output(output, page)
    kept = store.root / "figures" / f"{name}-report.html"  # from where MLflow shows it
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_text_output(kept, page)
    click.echo(output)
