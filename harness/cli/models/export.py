"""The command `pivl-bench export`: a trained model as the file that its next user reads."""

from pathlib import Path

import click

from harness.cli.options import GroupedCommand, debug_option, path_option, quiet_option
from harness.cli.paths import OutputFile, PathText, UserPath


@click.command(cls=GroupedCommand)
@click.argument("run", metavar="RUN", type=PathText())
@click.option("--format", "form", type=click.Choice(["onnx", "torchscript", "safetensors", "clip-reid"]),
              default="onnx", show_default=True, help="clip-reid: a checkpoint under its names and shapes.")  # fmt: skip
@click.option("--raw-input/--normalised-input", "raw", default=True, show_default=True,
              help="RGB of 0..1, normalised within, or normalised before. Of onnx and torchscript.")  # fmt: skip
@click.option(
    "--l2/--no-l2", default=False, show_default=True, help="Descriptors of length 1. Of onnx and torchscript."
)
@click.option("--opset", type=click.IntRange(18, 25), default=18, show_default=True, help="Of onnx.")
@click.option("--pictures", type=UserPath(), metavar="DIR",
              help="Images on which the file is compared with torch.  [default: eight rendered ones]")  # fmt: skip
@path_option("--results", "results", "Where runs are recorded, to which RUN is an id.")
@click.option("--output", required=True, type=OutputFile(), metavar="FILE",
              help="As model.onnx; BoxMOT reads names as clip_market1501.pt.")  # fmt: skip
@quiet_option("line that says what was written")
@debug_option
def export(
    run: str, form: str, raw: bool, l2: bool, opset: int, pictures: Path | None, results: Path, output: Path,
    quiet: bool,
) -> None:  # fmt: skip
    """Write the trained model of RUN, an id or a folder, as ONNX, TorchScript, safetensors or CLIP-ReID's checkpoint.

    The batch is of any size. The file is run as its user would, and written only if its descriptors are torch's to
    within 1e-4; FILE's name in .json says how images must be prepared, and the SHA-256. ONNX needs
    pip install 'pivl-bench[export]'.
    """
    from harness.display.progress import Progress

    progress = Progress.on_stderr(quiet)
    progress.note(f"export of {run} as {form}: loading")  # before torch, which takes long
    from harness.external.extraction import pictures_for_check
    from harness.external.models import describe_model, find_place
    from pivl.deployment.exports.export import FORMS, Choices, export_model
    from pivl.deployment.loading import load

    place = find_place(run, results)
    chosen = next(one for one in FORMS if one == form)
    model = load(place)
    progress.note(f"{run}: {describe_model(model)}")
    progress.note(f"{run}: {'reading' if pictures else 'rendering'} images to try the file on")
    images = pictures_for_check(model, pictures)
    choices = Choices(chosen, raw, l2, opset)
    found = export_model(place, output, choices, images, lambda step: progress.note(f"{run}: {step}"))
    checked = found["checked"]
    click.echo(
        f"{output}: {found['bytes'] / 1e6:.1f} MB, {checked['largest_difference']:.1e} from torch on "
        f"{checked['pictures']} images; {output.with_suffix('.json').name} says how to use it"
    )
