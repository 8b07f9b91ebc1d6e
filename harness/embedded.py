"""The commands about the embedded benchmark itself: its pictures, and the tiny CLIP that it starts from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.options import debug_option, output_option, parse_size, path_option
from harness.paths import OutputFolder, UserPath, refuse_own
from pivl.errors import UserError

if TYPE_CHECKING:
    from pivl.people.card import Origin


@click.group()
def data() -> None:
    """Look at the embedded data sets, or write them out for other code."""


@data.command("show")
@click.argument("dataset")
@output_option("The picture to write.", "sheet.png")
@debug_option
def show_data(dataset: str, output: Path) -> None:
    """Draw a contact sheet of DATASET (synthped): people, their part maps and a legend."""
    from harness import inputs
    from harness.progress import Progress
    from pivl.people.sheet import draw_sheet

    size = inputs.find_config(dataset).size
    draw_sheet(inputs.load(inputs.Inputs(dataset), size, Progress.on_stderr(quiet=False)), output)
    click.echo(f"{output}: look at it")


@data.command("export")
@click.argument("dataset")
@click.argument("folder", type=OutputFolder())
@click.option("--layout", default="market1501", show_default=True, help="How the files are laid out.")
@click.option(
    "--size", default="256x128", show_default=True, metavar="HxW", help="Height and width in pixels."
)
@debug_option
def export_data(dataset: str, folder: Path, layout: str, size: str) -> None:
    """Write DATASET (synthped) into FOLDER as Market-1501 comes, with part maps as SCHP writes them."""
    from harness import inputs
    from harness.choose import choose
    from harness.progress import Progress
    from pivl.people.export import export_market

    choose("layout", layout, ["market1501"])
    height_width, config = parse_size(size), inputs.find_config(dataset)
    progress = Progress.on_stderr(quiet=False)
    export_market(config, height_width, folder, progress.count(dataset, "rendering"))
    progress.close()
    click.echo(f"{folder}: {dataset} in the layout of {layout}")


@data.command("card")
@path_option("--results", "results", "Where runs of CLIP-ReID are recorded.")
@output_option("The card to write.", "synthped.md")
@click.option("--preset", default="default", show_default=True, help="default, or smoke: of its few people.")
@debug_option
def card_data(results: Path, output: Path, preset: str) -> None:
    """Write the card of synthped: its make, and the criteria it was fixed by with what was measured.

    Needs finished runs of CLIP-ReID: pivl-bench run ablation --rows clip-reid.
    """
    from harness import benchmark_card, conduct, inputs
    from harness.precision import settle
    from harness.progress import Progress
    from harness.question import Asked, ask
    from harness.records import Finished, Results
    from pivl.errors import UserError
    from pivl.outputs import write_text_output
    from pivl.people.tiny_clip import WEIGHTS
    from pivl.towers.checkpoint import read_state

    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    question = ask(settle(Asked("ablation", preset, rows="clip-reid"), store))
    recorded = conduct.read_answer(question, store, progress)["clip-reid"]
    runs = [run for run in recorded.values() if isinstance(run, Finished)]
    if not runs:
        raise UserError(
            f"{results} has no finished run of CLIP-ReID; first: pivl-bench run ablation --rows clip-reid"
        )
    _, metadata = read_state(WEIGHTS)
    config = inputs.find_config(question.inputs.dataset)
    write_text_output(output, benchmark_card.describe(config, runs, metadata["extra"]["criteria"]))
    click.echo(f"{output}: the card of synthped")


@click.command()
@click.option("--output", type=UserPath(), metavar="PATH", help="The weights to write, for "
              "parsers a folder; with a card.  [default: tiny_clip.safetensors, student.safetensors or .]")  # fmt: skip
@click.option("--parser", "parsers", type=click.Choice(["s", "m", "l", "all"]),
              help="An embedded parser of Table 4, or all three, instead of the tiny CLIP.")  # fmt: skip
@click.option("--student", is_flag=True, help="The student of Table 5 instead of the tiny CLIP.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights and lessons."
)
@click.option("--steps", type=click.IntRange(min=50), help="Fewer, for a try.  [default: all of them]")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def pretrain(
    output: Path | None, parsers: str | None, student: bool, seed: int, steps: int | None, quiet: bool
) -> None:
    """Train what the embedded benchmark starts from, from nothing, on rendered people who are in no other set.

    The tiny CLIP takes half an hour on two cores, the parsers seven minutes of one, the student as long. The
    weights that come with the package were made by this command.
    """
    from harness.allocator import keep_memory
    from harness.monitor import Monitor
    from harness.origin import describe_machine, read_commit
    from harness.progress import Progress, describe_step
    from pivl.people.card import Origin

    output = _check_pretrained(output or Path(_pretrained(parsers, student)), parsers)
    keep_memory()
    progress = Progress.on_stderr(quiet)
    monitor = Monitor(lambda event: progress.update("pretrain", describe_step(event)))
    heard = {"report": monitor.report, "rendering": progress.count("pretrain", "rendering")}
    commit, changed = read_commit()
    origin = Origin(commit + ("+changes" if changed else ""), describe_machine())
    if parsers and student:
        raise UserError("--parser and --student: train one after the other")
    if student:
        card = _pretrain_student(output, seed, steps, heard, origin)
    elif parsers is None:
        card = _pretrain_clip(output, seed, steps, heard, origin)
    else:
        card = _pretrain_parsers(parsers, output, seed, steps, heard, origin)
    progress.close()
    click.echo(f"{output}: what it knows stands in {card}")


def _pretrained(parsers: str | None, student: bool) -> str:
    """Where what is trained goes when nothing is named."""
    return "." if parsers else "student.safetensors" if student else "tiny_clip.safetensors"


def _check_pretrained(output: Path, parsers: str | None) -> Path:
    """`output` with links followed; UserError, before half an hour of training, where it cannot be written."""
    from pivl.outputs import check_folder, check_output

    refuse_own(output)
    if parsers:
        check_folder(output)
    else:
        check_output(output)
        if output.exists() and not output.is_file():
            raise UserError(f"{output} is no regular file; name one, beside which a card may stand")
    return output.resolve() if output.is_symlink() else output


def _pretrain_clip(output: Path, seed: int, steps: int | None, heard: Any, origin: "Origin") -> Path:
    """Train the tiny CLIP, and write its weights and card; the card's path."""
    from dataclasses import replace

    from pivl.people.card import write_card
    from pivl.people.pretrain import Pretraining
    from pivl.people.tiny_clip import pretrain
    from pivl.processes import cpu_precision

    choices = Pretraining(precision=cpu_precision())
    made = pretrain(output, seed, choices if steps is None else replace(choices, steps=steps), **heard)
    card = output.with_name(f"{output.stem.upper()}.md")
    write_card(card, output, made, origin)
    return card


def _pretrain_parsers(
    which: str, output: Path, seed: int, steps: int | None, heard: Any, origin: "Origin"
) -> Path:
    """Train the embedded parser of a letter, or all, and write weights and card into the folder; the card's path."""
    from pivl.parsers.card import write_card
    from pivl.parsers.pretrain import STEPS, ParserTraining, pretrain_parser

    names = [name for name in STEPS if which in ("all", name[-1])]
    choices = {name: ParserTraining(steps or STEPS[name]) for name in names}
    card = output / "PARSERS.md"
    write_card(card, [pretrain_parser(name, output, seed, choices[name], **heard) for name in names], origin)
    return card


def _pretrain_student(output: Path, seed: int, steps: int | None, heard: Any, origin: "Origin") -> Path:
    """Train the student of Table 5, and write its weights and card; the card's path."""
    from dataclasses import replace

    from pivl.people.student import StudentPretraining, pretrain_student
    from pivl.people.student_card import write_card

    lessons = StudentPretraining()
    lessons = replace(lessons, steps=steps or lessons.steps)
    named = pretrain_student(output, seed, lessons, **heard)
    card = output.with_name(f"{output.stem.upper()}.md")
    write_card(card, output, named, origin)
    return card
