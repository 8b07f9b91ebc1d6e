"""The commands about the embedded benchmark itself: its pictures, and the tiny CLIP that it starts from."""

from pathlib import Path

import click

from harness.options import debug_option, parse_size, path_option


@click.group()
def data() -> None:
    """Look at the embedded data sets, or write them out for other code."""


@data.command("show")
@click.argument("dataset")
@path_option("--output", "sheet.png", "The picture to write.")
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
@click.argument("folder", type=click.Path(path_type=Path))
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
@path_option("--output", "synthped.md", "The card to write.")
@click.option("--preset", default="default", show_default=True, help="default, or smoke: of its few people.")
@debug_option
def card_data(results: Path, output: Path, preset: str) -> None:
    """Write the card of synthped: its make, and the criteria it was fixed by with what was measured.

    Needs finished runs of CLIP-ReID: pivl-bench run ablation --rows clip-reid.
    """
    from harness import benchmark_card, conduct, inputs
    from harness.progress import Progress
    from harness.question import Asked, ask
    from harness.records import Finished, Results
    from pivl.errors import UserError
    from pivl.files import write_text
    from pivl.people.tiny_clip import WEIGHTS
    from pivl.towers.checkpoint import read_state

    progress = Progress.on_stderr(quiet=False)
    question = ask(Asked("ablation", preset, rows="clip-reid"))
    recorded = conduct.read_answer(question, Results(results, progress.warn), progress)["clip-reid"]
    runs = [run for run in recorded.values() if isinstance(run, Finished)]
    if not runs:
        raise UserError(
            f"{results} has no finished run of CLIP-ReID; first: pivl-bench run ablation --rows clip-reid"
        )
    _, metadata = read_state(WEIGHTS)
    config = inputs.find_config(question.inputs.dataset)
    write_text(output, benchmark_card.describe(config, runs, metadata["extra"]["criteria"]))
    click.echo(f"{output}: the card of synthped")


@click.command()
@path_option("--output", "tiny_clip.safetensors", "The weights to write; their card is written beside them.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights and lessons."
)
@click.option(
    "--steps", type=click.IntRange(min=50), help="Fewer, for a try.  [default: half an hour of them]"
)
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def pretrain(output: Path, seed: int, steps: int | None, quiet: bool) -> None:
    """Train the embedded benchmark's tiny CLIP from nothing, on captioned people who are in no other set.

    Half an hour on two cores. The weights that come with the package were made by this command.
    """
    from dataclasses import replace

    from harness.monitor import Monitor
    from harness.origin import describe_machine, read_commit
    from harness.progress import Progress, describe_step
    from pivl.people.card import Origin, write_card
    from pivl.people.pretrain import Pretraining
    from pivl.people.tiny_clip import pretrain, quick_precision

    choices = Pretraining(precision=quick_precision())
    progress = Progress.on_stderr(quiet)
    monitor = Monitor(lambda event: progress.update("pretrain", describe_step(event)))
    choices = choices if steps is None else replace(choices, steps=steps)
    made = pretrain(
        output, seed, choices, report=monitor.report, rendering=progress.count("pretrain", "rendering")
    )
    progress.close()
    commit, changed = read_commit()
    card = output.with_name(f"{output.stem.upper()}.md")
    write_card(card, output, made, Origin(commit + ("+changes" if changed else ""), describe_machine()))
    click.echo(f"{output}: what it knows stands in {card}")
