"""The commands about human parsers: pictures to part maps, how good the maps are, and maps of others."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from harness.cli.options import LABEL_SETS, GroupedCommand, collect, debug_option, parse_size
from harness.cli.paths import OutputFolder, UserPath
from pivl.data.normalization import NORMALIZATIONS
from pivl.errors import UserError
from pivl.synthped.names import PARSERS

EXAMPLES = """\b
Begin with:
  pivl-bench parse images/ --parser schp --weights exp-schp-201908261155-lip.pth --output maps/
  pivl-bench parse score --predicted maps/ --truth truth/ --labels lip
  pivl-bench parse import --from invpt results/ maps/
"""
USED = {  # which of the options about the network each parser has a use for
    "schp": {"weights", "input_size"},
    "torchscript": {"weights", "labels", "input_size", "normalization", "trust"},
    "transformers": {"model", "label_map", "labels"},
    **{name: {"weights"} for name in PARSERS},
}


@dataclass(frozen=True)
class ParserChoice:
    """A parser by its kind, and what is said of its network; None where nothing is."""

    kind: str
    weights: Path | None
    model: Path | None
    label_map: Path | None
    labels: str | None
    input_size: str | None
    normalization: Any
    trust: bool | None
    precision: str


class FolderFirst(click.Group):
    """A group that takes a folder where no command is named: `parse DIR` is `parse run DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options without a command are those of `run`."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolves a word that names no command as a folder, for the command `run`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])


@click.group(cls=FolderFirst, epilog=EXAMPLES, subcommand_metavar="DIR | COMMAND [ARGS]...")
def parse() -> None:
    """Make part maps: label the body parts of people in images.

    pivl-bench parse DIR is short for pivl-bench parse run DIR, whose options pivl-bench parse run --help shows.
    """


@collect(choice=ParserChoice)
@parse.command("run", cls=GroupedCommand)
@click.argument("folder", type=UserPath(), metavar="DIR")
@click.option("--parser", "kind", type=click.Choice(list(USED)), default="schp",
              show_default=True, help="SCHP with a checkpoint of its authors, a scripted network, a model of Hugging "
              "Face, or one of the embedded benchmark's.")  # fmt: skip
@click.option("--weights", type=UserPath(), metavar="FILE",
              help="SCHP's checkpoint or the scripted network.")  # fmt: skip
@click.option("--model", type=UserPath(), metavar="DIR",
              help="The folder of a Hugging Face model; nothing is downloaded.")  # fmt: skip
@click.option("--label-map", type=UserPath(), metavar="FILE",
              help="JSON from a Hugging Face model's labels to ours, null for none.")  # fmt: skip
@click.option("--output", required=True, type=OutputFolder(), metavar="DIR", help="Where the maps go.")
@click.option(
    "--confidence", is_flag=True, help="Write the class's softmax beside each map, as float16 .npz."
)
@click.option(
    "--labels", type=click.Choice(LABEL_SETS), help="Label set of a torchscript or Hugging Face network."
)
@click.option("--input-size", metavar="HxW", help="What a torchscript network takes; for schp as trained.")
@click.option("--normalization", type=click.Choice(tuple(NORMALIZATIONS)),
              help="Of a torchscript network's input, RGB.  [default: imagenet]")  # fmt: skip
@click.option("--trust", is_flag=True, default=None,
              help="Run the code in a torchscript network's file, which may do whatever you may.")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Images at a time.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="auto: a GPU if CUDA has one, else the CPU.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "fp32", "fp16"]), default="auto", show_default=True,
              help="auto: fp16 inside the network on a GPU, fp32 elsewhere.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress; only warnings.")
@debug_option
def run_parser(
    choice: ParserChoice, folder: Path, output: Path, confidence: bool, batch: int, quiet: bool, device: str
) -> None:
    """Write a part map for every image below DIR, sub-folders kept.

    Maps are 8-bit palette PNG as SCHP writes them, with meta.json. The map of an image that is there stays: the same
    command continues after a stop, and parses replaced images again. An image that cannot be read is named, the
    others are done, and the exit status is 1.
    """
    from harness.display.progress import Progress
    from harness.system.devices import choose_device
    from pivl.parsers.parse_folder import Choices, parse_folder

    _refuse_unused(choice)
    parser = _load(choice, choose_device(device))
    progress = Progress.on_stderr(quiet)
    report = progress.count(str(folder), "parsing")
    try:
        outcome = parse_folder(parser, folder, output, Choices(batch, confidence), report, progress.warn)
    finally:
        progress.close()
    _end(output, outcome)


def _refuse_unused(choice: ParserChoice) -> None:
    """Raises UserError where an option about the network was given that the chosen parser has no use for."""
    network = {name for names in USED.values() for name in names}
    for name in (item.name for item in fields(choice) if item.name in network):
        if getattr(choice, name) is not None and name not in USED[choice.kind]:
            users = " and ".join(one for one in USED if name in USED[one])
            option = "--" + name.replace("_", "-")
            raise UserError(
                f"--parser {choice.kind} has no use for {option}, which is for {users}; leave it out"
            )


def _load(choice: ParserChoice, device: Any) -> Any:
    """The chosen parser on `device`."""
    from harness.system.devices import check_precision
    from harness.system.process import forbid_tf32
    from pivl.data.part_maps import labels as label_sets
    from pivl.parsers.embedded import embedded_parser
    from pivl.parsers.huggingface import transformers
    from pivl.parsers.parser import schp, torchscript

    kind, weights, labels, input_size = choice.kind, choice.weights, choice.labels, choice.input_size
    check_precision(device, choice.precision)
    forbid_tf32()
    mixed = choice.precision != "fp32" and device.type == "cuda"
    if kind in PARSERS:
        return embedded_parser(kind, weights)
    if kind == "transformers":
        if choice.model is None:
            raise UserError("--parser transformers: name the folder of the model with --model")
        return transformers(
            choice.model, label_sets.LABEL_SETS[labels] if labels else None, choice.label_map, device, mixed
        )
    if weights is None:
        raise UserError(f"--parser {kind}: name its checkpoint or network with --weights")
    size = parse_size(input_size, "--input-size") if input_size else None
    if kind == "schp":
        if size and size[0] != size[1]:
            raise UserError(f"--input-size {input_size}: SCHP takes squares; write 473x473, or leave it out")
        return schp(weights, device, mixed, size[0] if size else None)
    if labels is None or size is None:
        lacking = "--labels lip, atr or pascal" if labels is None else "--input-size, as 512x512"
        raise UserError(f"a torchscript network does not say what it is for; add {lacking}")
    if not choice.trust:
        raise UserError(
            f"{weights}: --parser torchscript runs the code in this file, which may do whatever you may; add --trust "
            "if you trust who made it"
        )
    return torchscript(
        weights, label_sets.LABEL_SETS[labels], size, choice.normalization or "imagenet", device, mixed
    )


@parse.command("score")
@click.option("--predicted", required=True, type=UserPath(), metavar="MAPS", help="A parser's maps.")
@click.option("--truth", required=True, type=UserPath(), metavar="MAPS", help="The true maps.")
@click.option("--labels", type=click.Choice(LABEL_SETS), help="Label set to score in, and of a folder without "
              "meta.json.  [default: the folders' own]")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True, help="table, markdown or csv.")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def score_parser(predicted: Path, truth: Path, labels: str | None, form: str, quiet: bool) -> None:
    """Score predicted part maps against true ones of the same names.

    IoU of every class, mIoU over the classes that are there, pixel accuracy, and coverage: the share of true maps that
    have a prediction, which alone are counted. Maps of different label sets are scored in Pascal's 7 classes.
    """
    from harness.display.progress import Progress
    from harness.inputs.choices import choose
    from harness.report.parsing_scores import PRINTERS
    from pivl.data.part_maps import labels as label_sets
    from pivl.parsers.score import score_maps

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    progress = Progress.on_stderr(quiet)
    target = label_sets.LABEL_SETS[labels] if labels else None
    try:
        found = score_maps(predicted, truth, target, progress.count(str(predicted), "scoring"))
    finally:
        progress.close()
    if target and found.labels != target:
        progress.warn(f"these maps cannot be scored in {labels}; scored in {found.labels.name}")
    click.echo(print_as(found), nl=False)


@parse.command("import")
@click.argument("source", type=UserPath())
@click.argument("output", type=OutputFolder())
@click.option("--from", "origin", required=True, type=click.Choice(["schp", "solider", "invpt"]),
              help="Whose program wrote them.")  # fmt: skip
@click.option(
    "--labels", type=click.Choice(LABEL_SETS), help="Their label set.  [default: pascal for invpt, else lip]"
)
@click.option("--quiet", is_flag=True, help="No progress; only warnings.")
@debug_option
def import_parsed(source: Path, output: Path, origin: str, labels: str | None, quiet: bool) -> None:
    """Convert part maps in SOURCE, written by SCHP, SOLIDER-HumanParsing or InvPT, to this package's form in OUTPUT.

    SCHP's name a..png for a.jpeg is corrected, logits that it saved become confidence. InvPT's colours become class
    ids; its human_parts.png is named by its folder: SOURCE/PICTURE/human_parts.png. A map that cannot be read is
    named, the others are done, and the exit status is 1.
    """
    from harness.display.progress import Progress
    from pivl.data.part_maps import labels as label_sets
    from pivl.parsers.importers import import_maps

    progress = Progress.on_stderr(quiet)
    chosen = label_sets.LABEL_SETS[labels or ("pascal" if origin == "invpt" else "lip")]
    report = progress.count(str(source), "importing")
    try:
        outcome = import_maps(origin, source, output, chosen, report, progress.warn)
    finally:
        progress.close()
    _end(output, outcome)


def _end(output: Path, outcome: Any) -> None:
    """Prints the count of files and failures; exit status 1 if a file could not be read."""
    there = f", {outcome.there} were there" if outcome.there else ""
    failed = f", {outcome.broken} could not be read" if outcome.broken else ""
    click.echo(f"{output}: {outcome.made} maps written{there}{failed}")
    if outcome.broken:
        sys.exit(1)
