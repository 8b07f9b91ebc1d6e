"""The command `pivl-bench extract`: descriptors of pictures by a trained model, as a file that `compare` reads."""

from pathlib import Path

import click

from harness.cli import completion
from harness.cli.options import (
    DEVICES,
    GroupedCommand,
    collect,
    debug_option,
    disk_option,
    parse_size,
    path_option,
)
from harness.cli.paths import OutputFile, PathText, UserPath
from harness.external.request import TestSet


@collect(wanted=TestSet)
@click.command(cls=GroupedCommand)
@click.argument("model", metavar="RUN|CHECKPOINT", type=PathText())
@click.argument("folder", required=False, type=UserPath(), metavar="[FOLDER]")
@click.option("--dataset", type=PathText(completion.datasets), metavar="NAME",
              help="Queries and gallery of a data set, or of a csv file, instead of a folder.")  # fmt: skip
@disk_option("--data-root", "The folder that holds the data set.")
@click.option("--allow-partial", is_flag=True, help="Accept missing images.")
@click.option("--image-size", metavar="HxW", help="For a checkpoint of other code that does not tell it.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
              help="auto: a GPU if CUDA has one, else the CPU.")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Images at a time.")
@path_option("--results", "results", "Where runs are recorded, to which RUN is an id.")
@click.option("--output", required=True, type=OutputFile(), metavar="FILE",
              help="feats.npz, feats.parquet, or feats.npy with identities in feats.csv.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress; only warnings.")
@debug_option
def extract(
    wanted: TestSet,
    model: str,
    folder: Path | None,
    image_size: str | None,
    device: str,
    batch: int,
    results: Path,
    output: Path,
    quiet: bool,
) -> None:
    """Write the descriptors of images by a trained model: of every image below FOLDER, or of a data set.

    RUN is a run's id or its folder, CHECKPOINT what pivl-bench evaluate reads. Queries and gallery of a data set are
    written with identities and cameras, as pivl-bench compare reads them, and descriptors equal those that were
    scored, to the bit; they are not normalised. An image that cannot be read is named, the others are done, and the
    exit status is 1.
    """
    from harness.display.progress import Progress

    progress = Progress.on_stderr(quiet)
    progress.note(
        f"extract by {model} from {folder or wanted.dataset}: loading"
    )  # before torch, which takes long
    from harness.external.described import Described, Folder
    from harness.external.extraction import describe_dataset, describe_folder
    from harness.external.feature_files import check_name, write_features
    from harness.external.models import describe_model, find_model
    from harness.system.devices import choose_device
    from pivl.errors import UserError

    if (folder is None) == (wanted.dataset is None):
        raise UserError("name a folder of images, or --dataset NAME, and not both")
    check_name(output)
    size = None if image_size is None else parse_size(image_size, "--image-size")
    found = find_model(model, results, size).to(choose_device(device))
    progress.note(f"{model}: {describe_model(found)}")
    described: Described | Folder
    broken = 0
    try:
        if folder is None:
            described = describe_dataset(found, wanted, batch, progress)
        else:
            described, broken = describe_folder(found, folder, batch, progress)
    finally:
        progress.close()
    write_features(output, described)
    failed = f", {broken} could not be read" if broken else ""
    click.echo(f"{output}: {len(described)} images, {described.width} numbers each{failed}")
    if broken:
        raise click.exceptions.Exit(1)
