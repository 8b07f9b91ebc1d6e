"""The command `pivl-bench figure`: figures of a study from stored runs; it trains nothing."""

from pathlib import Path

import click

from harness.cli import completion
from harness.cli.options import (
    DEVICES,
    GroupedCommand,
    Numbers,
    collect,
    output_option,
    quiet_option,
    setting_options,
    study_argument,
)
from harness.experiment.request import Request
from harness.report.figures.options import FigureOptions


@collect(request=Request, options=FigureOptions)
@click.command(cls=GroupedCommand)
@click.argument("name", type=completion.FIGURE)
@study_argument
@setting_options
@click.option("--queries", type=click.IntRange(1, 20), default=4, show_default=True, metavar="N",
              help="How many queries or identities ranks, flips and cam show.")  # fmt: skip
@click.option("--people", type=Numbers(), default="", metavar="LIST",
              help="Numbers of test identities, as 7,12; for tsne, ranks, flips.  [default: drawn]")  # fmt: skip
@click.option("--draw", type=click.IntRange(min=0), default=0, show_default=True, metavar="SEED",
              help="The seed that draws the identities, and that of t-SNE.")  # fmt: skip
@click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True, help="Where models run."
)
@output_option("A .png or .svg file.  [default: both in results/figures/]")
@quiet_option("names of files")
def figure(
    request: Request, options: FigureOptions, name: str, results: Path, output: Path | None, quiet: bool
) -> None:
    """Draw a figure of STUDY from stored runs, with its data as CSV and its caption beside it.

    \b
    NAME  tsne     pixel features by part and identity (the paper's Fig. 2)
          cam      activation maps of each row (Fig. 5)
          ranks    rank lists of some queries
          flips    queries that one row has right at rank 1 and another wrong
          curves, gains, cmc, choices    from records, without images
          all      each of these
    """
    from harness.display.progress import Progress

    progress = Progress.on_stderr(quiet)
    progress.note(f"figure {name}: reading what {results} has")  # before all that takes long to load
    from harness import api

    try:
        written = api.figure(name, request, results, options, output, progress)
    finally:
        progress.close()
    for path in written:
        click.echo(path)
