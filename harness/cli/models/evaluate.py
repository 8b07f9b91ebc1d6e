"""The command `pivl-bench evaluate`: checkpoints of any code scored on data sets; it trains nothing."""

from pathlib import Path

import click

from harness.cli import completion
from harness.cli.options import (
    DEVICES,
    GroupedCommand,
    debug_option,
    disk_option,
    format_option,
    output_option,
    parse_size,
    path_option,
)
from harness.cli.paths import PathText, deliver
from harness.external.request import TestSet


@click.command(cls=GroupedCommand)
@click.argument("checkpoints", nargs=-1, required=True, type=PathText(), metavar="[NAME=]CHECKPOINT...")
@click.option("--dataset", "datasets", multiple=True, required=True, type=PathText(completion.datasets),
              metavar="NAME", help="A data set or a csv file of one's own. Repeatable, for a matrix.")  # fmt: skip
@disk_option("--data-root", "The folder that holds the data sets.")
@click.option("--allow-partial", is_flag=True, help="Accept missing images.")
@click.option("--image-size", metavar="HxW", help="For a checkpoint that does not tell it.")
@click.option("--metric", type=click.Choice(["euclid-l2", "euclid", "cosine"]),
              help="How descriptors are compared.  [default: euclid-l2, at length 1]")  # fmt: skip
@click.option("--ap", type=click.Choice(["step", "trapezoid"]), default="step", show_default=True,
              help="The convention of average precision, as for compare.")  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
              help="auto: a GPU if CUDA has one, else the CPU.")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Images at a time.")
@path_option("--results", "results", "Where scores are recorded, and to which a CHECKPOINT may be an id.")
@format_option("markdown", "json")
@output_option("A file instead of the screen.")
@click.option("--quiet", is_flag=True, help="No progress; only the scores.")
@debug_option
def evaluate(
    checkpoints: tuple[str, ...], datasets: tuple[str, ...], data_root: Path | None, allow_partial: bool,
    image_size: str | None, metric: str | None, ap: str, device: str, batch: int, results: Path, form: str,
    output: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Score checkpoints of any code on data sets; several of both make a matrix across domains.

    Read are runs and exports, CLIP-ReID's own .pth (RN50 and ViT, with stride and cameras as its shapes say), OpenAI's
    and open_clip's CLIP without training, and the ResNet-50 of torchreid and fast-reid. Each is read as data; no code
    of a file runs.
    """
    from harness.display.progress import Progress

    progress = Progress.on_stderr(quiet)
    progress.note(f"evaluate {', '.join(checkpoints)} on {', '.join(datasets)}: loading")  # before torch
    from harness.external.evaluating import evaluate as evaluate_all
    from harness.inputs.choices import choose
    from harness.report.evaluation import PRINTERS
    from harness.store.records import Results
    from harness.system.devices import choose_device
    from pivl.evaluation.average_precision import Convention

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    convention: Convention = "trapezoid" if ap == "trapezoid" else "step"
    size = None if image_size is None else parse_size(image_size, "--image-size")
    try:
        found = evaluate_all(
            checkpoints, datasets, TestSet(None, data_root, allow_partial), Results(results, progress.warn),
            progress, choose_device(device), size, metric, convention, batch,
        )  # fmt: skip
    finally:
        progress.close()
    deliver(print_as(found), output)
