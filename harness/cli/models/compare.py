"""The command `pivl-bench compare`: descriptors of any methods on one test set, with paired tests; it trains nothing."""

from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    debug_option,
    format_option,
    output_option,
    path_option,
)
from harness.cli.paths import PathText, UserPath, deliver
from harness.external.request import Reading


@collect(reading=Reading)
@click.command(cls=GroupedCommand)
@click.argument("methods", nargs=-1, required=True, type=PathText(), metavar="[NAME=]FILE...")
@click.option("--metric", type=click.Choice(["euclid-l2", "euclid", "cosine"]),
              help="How descriptors are compared: at length 1, as they are, or by cosine.  "
              "[default: what files state]")  # fmt: skip
@click.option("--ap", type=click.Choice(["step", "trapezoid"]), default="step", show_default=True,
              help="Average precision as CLIP-ReID, TransReID, fast-reid and torchreid compute it, or by trapezoids, as "
              "Market-1501's and Duke's own code.")  # fmt: skip
@click.option("--people", type=UserPath(), metavar="FILE",
              help="The csv file that says whom the rows of .npy and .pt show, ours or OML's.  "
              "[default: the one beside]")  # fmt: skip
@click.option("--distances", is_flag=True, help="Files hold distances [queries, gallery], not descriptors.")
@click.option("--gallery-first", is_flag=True, help="Distances are [gallery, queries].")
@click.option("--baseline", metavar="NAME", help="What the others are compared with.  [default: the first]")
@path_option("--results", "results", "Where scores are recorded.")
@format_option("markdown", "csv", "json")
@output_option("A file instead of the screen.")
@click.option("--quiet", is_flag=True, help="No progress; only the table.")
@debug_option
def compare(
    reading: Reading, methods: tuple[str, ...], metric: str | None, ap: str, baseline: str | None, results: Path,
    form: str, output: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Compare methods of any code by their descriptors of one test set, of which each FILE holds queries and gallery.

    The first is the baseline; NAME=feats-{0..4}.npz is one method with five seeds; one file alone prints its scores.
    Read are .npz and .mat (query_f, query_label, query_cam, gallery_f, ...), .npy and .pt beside a csv file, parquet
    with a list column, and a folder with a .npy per image named as Market-1501 names them.
    """
    from harness.display.progress import Progress
    from harness.external.comparing import Comparing, compare_files
    from harness.inputs.choices import choose
    from harness.report.markdown import PRINTERS
    from harness.store.records import Results
    from pivl.evaluation.average_precision import Convention

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    convention: Convention = "trapezoid" if ap == "trapezoid" else "step"
    progress = Progress.on_stderr(quiet)
    try:
        choices = Comparing(metric, convention, baseline)
        found = compare_files(methods, reading, choices, Results(results, progress.warn), progress)
    finally:
        progress.close()
    deliver(print_as(found), output)
