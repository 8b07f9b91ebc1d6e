"""Options that several commands share, and what may be typed for them."""

import re
from collections.abc import Callable
from typing import Any

import click

from harness.cli.paths import OutputFile, PathText, UserPath
from pivl.errors import UserError

Command = Callable[..., Any]


def path_option(name: str, default: str, help_text: str) -> Callable[[Command], Command]:
    """An option that takes a file or folder."""
    return click.option(
        name, type=UserPath(), default=default, show_default=True, metavar="PATH", help=help_text
    )


def output_option(help_text: str, default: str | None = None) -> Callable[[Command], Command]:
    """The option that takes a file to write."""
    return click.option(
        "--output", type=OutputFile(), default=default, show_default=True, metavar="FILE", help=help_text
    )


def experiment_options(command: Command) -> Command:
    """The argument and options by which commands name an experiment; harness.experiment.request.Request holds them."""
    return click.argument("study")(setting_options(command))


def setting_options(command: Command) -> Command:
    """What may be said of a study besides its name."""
    for option in (
        click.option("--rerank", is_flag=True, help="Scores after k-reciprocal re-ranking (20, 6, 0.3)."),
        click.option("--limit-steps", type=click.IntRange(min=1), metavar="N",
                     help="Test run: end each stage after N steps; scores are not reported."),
        start_options,
        click.option("--seeds", metavar="LIST", help="Seeds, as 0-2 or 0,3.  [default: the study's own]"),
        click.option("--rows", metavar="NAMES", help="Only these rows, as clip-reid,pi-vl.  [default: its default rows]"),
    ):  # fmt: skip
        command = option(command)
    return command


def start_options(command: Command) -> Command:
    """The options by which a command says what runs start from and where they are recorded; Request has them too."""
    for option in (
        debug_option,
        path_option("--results", "results", "Where runs are recorded."),
        click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE",
                     help="Change a recipe field in all rows, as epochs=60. Repeatable."),
        click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
                     show_default=True, help="auto: that of the results that are there; else bf16 where the device "
                     "computes in it, fp16 on other GPUs, fp32 on other CPUs."),
        click.option("--student-weights", type=PathText(), metavar="FILE",
                     help="What the student starts from: MobileNetV2's by d-li14, torchvision or timm; or random."),
        click.option("--student", metavar="NAME", help="Of transfer: mobilenetv2-0.25 or -WIDTH, timm:resnet18, ..."
                     "  [default: mobilenetv2-0.25]"),
        click.option("--weights", type=PathText(), metavar="FILE",
                     help="CLIP's weights, or openai to have them downloaded."),
        click.option("--backbone", metavar="NAME", help="tiny, rn50, vit-b-16, vit-b-16-sie-olp or a "
                     "CLIP of open_clip's by its name."
                     "  [default: tiny for synthped, else rn50]"),
        click.option("--allow-partial", is_flag=True, help="Accept missing images and part maps."),
        click.option("--parser-maps", type=PathText(), multiple=True, metavar="NAME=FOLDER",
                     help="Part maps of a parser, a row of their own in the study parsers. Repeatable."),
        disk_option("--part-maps", "The folder of its part maps, with their meta.json."),
        disk_option("--data-root", "The folder that holds the data set."),
        click.option("--dataset", type=PathText(), metavar="NAME", help="synthped, market1501, dukemtmc, "
                     "msmt17, occluded-duke or a csv file (path, person, camera, split; the person distractor is a "
                     "wrong answer, -1 left out).  [default: synthped]"),
        click.option("--preset", default="default", show_default=True, help="default, or smoke: a minute."),
    ):  # fmt: skip
        command = option(command)
    return command


def device_options(command: Command) -> Command:
    """The options of commands that train."""
    for option in (
        click.option("--jobs", default="auto", show_default=True, metavar="N",
                     help="Runs at a time; auto: one per core, one per GPU."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto",
                     show_default=True, help="Where to train; auto: a GPU if CUDA has one, else the CPU."),
    ):  # fmt: skip
        command = option(command)
    return command


def disk_option(name: str, help_text: str, required: bool = False) -> Callable[[Command], Command]:
    """An option that takes a folder, and has none to begin with."""
    return click.option(name, type=UserPath(), metavar="PATH", required=required, help=help_text)


def debug_option(command: Command) -> Command:
    """--debug; `main` looks for it, since an error may come before click has read it."""
    show = "Show where an unexpected error came from."
    return click.option("--debug", is_flag=True, expose_value=False, help=show)(command)


def parse_jobs(text: str) -> int | None:
    """A number of runs at a time, or None for `auto`."""
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise UserError(f"--jobs {text}: not a number of runs at a time; write 2, or auto")
    return int(text)


def check_interval(text: str) -> str:
    """`text` if it says how often to store a checkpoint, as harness.store.checkpoints.Interval reads it."""
    if not re.fullmatch(r"auto|epoch|\d+(\.\d+)?", text):
        raise UserError(f"--checkpoint-every {text}: write a number of minutes, or epoch")
    return text


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """`256x128`, given for `option`, as (height, width)."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None:
        raise UserError(f"{option} {text}: not a size; write height x width in pixels, as 256x128")
    return int(match[1]), int(match[2])
