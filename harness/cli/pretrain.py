"""The commands about the embedded benchmark itself: its pictures, and the tiny CLIP that it starts from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import GroupedCommand, debug_option
from harness.cli.paths import UserPath, refuse_own
from pivl.errors import UserError
from pivl.synthped.names import CLIPS, STUDENT_WEIGHTS

if TYPE_CHECKING:
    import torch

    from pivl.synthped.pretraining.card import Origin


@click.command(cls=GroupedCommand)
@click.option("--output", type=UserPath(), metavar="PATH", help="The weights to write, for "
              "parsers a folder; with a card.  [default: the shipped file's name, or . for parsers]")  # fmt: skip
@click.option("--clip", type=click.Choice(list(CLIPS)), default="tiny", show_default=True,
              help="The CLIP to train, by the backbone that starts from it.")  # fmt: skip
@click.option("--parser", "parsers", type=click.Choice(["s", "m", "l", "all"]),
              help="An embedded parser of Table 4, or all three, instead of a tiny CLIP.")  # fmt: skip
@click.option("--student", is_flag=True, help="The student of Table 5 instead of a tiny CLIP.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of initial weights and batches.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), default="cpu", show_default=True,
              help="Where a tiny CLIP is trained.")  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=50), help="Number of steps, for a short test.  [default: all of them]"
)
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def pretrain(
    output: Path | None,
    clip: str,
    parsers: str | None,
    student: bool,
    seed: int,
    device: str,
    steps: int | None,
    quiet: bool,
) -> None:
    """Pre-train a tiny CLIP, parsers or student from scratch, on rendered people who are in no other set.

    A tiny CLIP takes half an hour on two cores, the parsers seven minutes of one, the student as long. The
    weights that come with the package were made by this command.
    """
    from harness.display.progress import Progress
    from harness.display.text import describe_commit, describe_step
    from harness.execution.training_log import TrainingLog
    from harness.system.devices import choose_device, describe_device, describe_machine
    from harness.system.process import keep_memory
    from harness.system.provenance import read_commit
    from pivl.synthped.pretraining.card import Origin

    if parsers and student:
        raise UserError("--parser and --student: train one after the other")
    if device != "cpu" and (parsers or student):
        raise UserError(f"--device {device}: parsers and student are trained on a CPU; leave it out")
    output = _check_pretrained(output or Path(_pretrained(clip, parsers, student)), parsers)
    keep_memory()
    progress = Progress.on_stderr(quiet)
    monitor = TrainingLog(lambda event: progress.update("pretrain", describe_step(event)))
    heard = {"report": monitor.report, "rendering": progress.count("pretrain", "rendering")}
    place = choose_device(device)
    machine = describe_machine() if place.type == "cpu" else describe_device(place)
    origin = Origin(describe_commit(*read_commit()), machine)
    if student:
        card = _pretrain_student(output, seed, steps, heard, origin)
    elif parsers is None:
        card = _pretrain_clip(clip, output, seed, place, steps, heard, origin)
    else:
        card = _pretrain_parsers(parsers, output, seed, steps, heard, origin)
    progress.close()
    click.echo(f"{output}: written; what was measured is in {card}")


def _pretrained(clip: str, parsers: str | None, student: bool) -> str:
    """The default output path."""
    return "." if parsers else (STUDENT_WEIGHTS if student else CLIPS[clip]).name


def _check_pretrained(output: Path, parsers: str | None) -> Path:
    """`output` with links followed; UserError, before half an hour of training, where it cannot be written."""
    from pivl.system.outputs import check_folder, check_output

    refuse_own(output)
    if parsers:
        check_folder(output)
    else:
        check_output(output)
        if output.exists() and not output.is_file():
            raise UserError(f"{output} is no regular file; name one, beside which a card may stand")
    return output.resolve() if output.is_symlink() else output


def _pretrain_clip(
    name: str,
    output: Path,
    seed: int,
    device: "torch.device",
    steps: int | None,
    heard: Any,
    origin: "Origin",
) -> Path:
    """Trains the CLIP of that name, writes its weights and card, and returns the card's path."""
    from dataclasses import replace

    from pivl.synthped.pretraining.clip_card import write_card
    from pivl.synthped.pretraining.starts import STARTS
    from pivl.synthped.pretraining.tiny_clip import pretrain
    from pivl.system.processes import cpu_precision

    start = STARTS[name]
    choices = replace(start.choices, precision=cpu_precision() if device.type == "cpu" else "bf16")
    choices = choices if steps is None else replace(choices, steps=steps)
    made = pretrain(start, output, seed, choices, device=device, **heard)
    card = output.with_name(f"{output.stem.upper()}.md")
    write_card(card, output, made, origin)
    return card


def _pretrain_parsers(
    which: str, output: Path, seed: int, steps: int | None, heard: Any, origin: "Origin"
) -> Path:
    """Trains an embedded parser, or all, writes weights and card into the folder, and returns the card's path."""
    from pivl.parsers.card import write_card
    from pivl.parsers.pretrain import STEPS, ParserTraining, pretrain_parser

    names = [name for name in STEPS if which in ("all", name[-1])]
    choices = {name: ParserTraining(steps or STEPS[name]) for name in names}
    card = output / "PARSERS.md"
    write_card(card, [pretrain_parser(name, output, seed, choices[name], **heard) for name in names], origin)
    return card


def _pretrain_student(output: Path, seed: int, steps: int | None, heard: Any, origin: "Origin") -> Path:
    """Trains the student of Table 5, writes its weights and card, and returns the card's path."""
    from dataclasses import replace

    from pivl.synthped.pretraining.student import StudentPretraining, pretrain_student
    from pivl.synthped.pretraining.student_card import write_card

    lessons = StudentPretraining()
    lessons = replace(lessons, steps=steps or lessons.steps)
    named = pretrain_student(output, seed, lessons, **heard)
    card = output.with_name(f"{output.stem.upper()}.md")
    write_card(card, output, named, origin)
    return card
