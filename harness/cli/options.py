"""Options that several commands share, and the values that commands get of them: a Request, Options, SearchOptions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import click

from harness.cli import completion
from harness.cli.paths import OutputFile, PathText, UserPath
from harness.cli.project import tell_defaults
from pivl.errors import UserError

Command = Callable[..., Any]
DEVICES = ("auto", "cpu", "cuda", "mps")
LABEL_SETS = ("lip", "atr", "pascal")

GROUPS = {
    "What is measured": (
        "study_file", "preset", "rows", "own_rows", "seeds", "worlds", "external", "rerank", "seed", "trials", "sampler",
        "pruner", "only", "quick", "fields",
    ),
    "What is compared": ("baseline", "study"),
    "What is shown": ("people", "draw"),
    "Data": ("dataset", "queries", "data_root", "part_maps", "parser_maps", "allow_partial"),
    "Network": ("kind", "model", "label_map", "labels", "input_size", "normalization", "trust"),
    "Training": (
        "backbone", "weights", "student", "student_weights", "precision", "overrides", "limit_steps", "steps",
        "parsers",
    ),
    "Running": (
        "device", "jobs", "launcher", "scheduler", "gpus_per_run", "retry_failed", "redo", "checkpoint_every", "storage",
        "batch",
    ),
    "Output": ("results", "columns", "wide", "form", "output", "confidence", "mlflow", "yes", "quiet", "debug"),
}  # fmt: skip
"""The names of options by the heading under which help shows them."""


class GroupedCommand(click.Command):
    """A command whose help has a heading for each group of its options, and which `collect` may give dataclasses.

    collected: the dataclasses by the names of the command's arguments.
    """

    collected: Mapping[str, type] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses `args`; options that are fields of a collected dataclass become one value of it."""
        rest, values = super().parse_args(ctx, args), ctx.params
        if not ctx.resilient_parsing:  # as it is for a shell that completes half a command
            tell_defaults(ctx)
            names = {name: [item.name for item in fields(kind)] for name, kind in self.collected.items()}
            made = {
                name: kind(**{one: values[one] for one in names[name] if one in values})
                for name, kind in self.collected.items()
            }
            own = {one for known in names.values() for one in known}
            ctx.params = {**made, **{name: value for name, value in values.items() if name not in own}}
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, group by group, and last those of no group."""
        left = [one for one in self.get_params(ctx) if isinstance(one, click.Option) and not one.hidden]
        for heading, names in GROUPS.items():
            members = sorted(
                (one for one in left if one.name in names), key=lambda one: names.index(one.name or "")
            )
            left = [one for one in left if one not in members]
            self._write(heading, members, ctx, formatter)
        self._write("Options", left, ctx, formatter)

    @staticmethod
    def _write(
        heading: str, members: list[click.Option], ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        if members:
            with formatter.section(heading):
                formatter.write_dl([record for one in members if (record := one.get_help_record(ctx))])


class Jobs(click.ParamType):
    """A number of runs at a time, or None for `auto`."""

    name = "jobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """The number that was typed. Raises UserError for what is none."""
        if value == "auto" or isinstance(value, int):
            return None if value == "auto" else value
        if not re.fullmatch(r"[1-9]\d{0,3}", value):
            raise UserError(f"--jobs {value}: not a number of runs at a time; write 2, or auto")
        return int(value)


class Numbers(click.ParamType):
    """Numbers of people, joined by commas."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers that were typed. Raises UserError for what is none."""
        if isinstance(value, tuple) or not value:
            return tuple(value)
        if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", value):
            raise UserError(f"--people {value}: not numbers; write 7, or 7,12")
        return tuple(int(one) for one in value.split(","))


class Interval(click.ParamType):
    """The interval of checkpoints as it is typed, for harness.store.checkpoints.Interval."""

    name = "interval"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text that was typed. Raises UserError for what is no interval."""
        if not re.fullmatch(r"auto|epoch|\d+(\.\d+)?", value):
            raise UserError(f"--checkpoint-every {value}: write a number of minutes, or epoch")
        return str(value)


Some = TypeVar("Some", bound=click.Command)


def collect(**kinds: type) -> Callable[[Some], Some]:
    """Hands a command a value of each dataclass of `kinds`, by name, in place of the options that are its fields."""

    def decorate(command: Some) -> Some:
        assert isinstance(command, GroupedCommand)
        command.collected = kinds
        return command

    return decorate


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


def format_option(*forms: str) -> Callable[[Command], Command]:
    """The option that takes one of `forms` to print in, the first by default; the command checks it."""
    text = f"{', '.join(forms[:-1])} or {forms[-1]}."
    names = completion.Names("format", lambda: forms)
    return click.option("--format", "form", type=names, default=forms[0], show_default=True, help=text)


def study_argument(command: Command) -> Command:
    """The argument that names a study, and the option that names a file with one."""
    named = click.argument("study", type=completion.STUDY, default="")(command)
    return click.option("--study", "study_file", type=UserPath(), metavar="FILE.py",
                        help="A file that builds a Study of your own; STUDY may then be left out.")(named)  # fmt: skip


def setting_options(command: Command) -> Command:
    """Adds the options of a study besides its name; both make a harness.experiment.request.Request."""
    for option in (
        click.option("--row", "own_rows", multiple=True, metavar="NAME=ROW,FIELD=VALUE",
                     help="A row of your own by what it changes in another, as mine=pi-vl,lambda=0.2. Repeatable."),
        click.option("--with", "external", multiple=True, type=PathText(), metavar="NAME=FILE",
                     help="A method of other code as a further row: its descriptors of the same test set, as compare "
                     "reads them; 'NAME=feats-{0..4}.npz', in quotes, for five seeds. Repeatable."),
        click.option("--rerank", is_flag=True, help="Scores after k-reciprocal re-ranking (20, 6, 0.3)."),
        click.option("--limit-steps", type=click.IntRange(min=1), metavar="N",
                     help="Test run: end each stage after N steps; scores are not reported."),
        start_options,
        click.option("--worlds", metavar="LIST",
                     help="Of synthped: draws of identities and cameras, as 0-2.  [default: 0]"),
        click.option("--seeds", metavar="LIST", help="Seeds, as 0-2 or 0,3.  [default: the study's own]"),
        click.option("--rows", type=completion.ROWS, metavar="NAMES",
                     help="Only these rows, as clip-reid,pi-vl.  [default: its default rows]"),
    ):  # fmt: skip
        command = option(command)
    return command


def start_options(command: Command) -> Command:
    """The options by which a command says what runs start from and where they are recorded; Request has them too."""
    for option in (
        debug_option,
        path_option("--results", "results", "Where runs are recorded."),
        click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE",
                     help="Change a recipe field in all rows, as epochs=60, or by its symbol in the paper: lambda "
                     "(align_weight, Eq. 12), tau (part_temperature, Eq. 7-8), M (identity_tokens, Eq. 1). pivl-bench "
                     "recipe lists all fields with equation and meaning. Repeatable."),
        click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
                     show_default=True, help="auto: that of the results that are there; else bf16 where the device "
                     "computes in it, fp16 on other GPUs, fp32 on other CPUs."),
        click.option("--student-weights", type=PathText(), metavar="FILE",
                     help="Initial weights of the student: a MobileNetV2 of d-li14, torchvision or timm, or random."),
        click.option("--student", metavar="NAME", help="Of transfer: mobilenetv2-0.25 or -WIDTH, timm:resnet18, ..."
                     "  [default: mobilenetv2-0.25]"),
        click.option("--weights", type=PathText(), metavar="FILE",
                     help="CLIP's weights, or openai to have them downloaded."),
        click.option("--backbone", type=completion.BACKBONE, metavar="NAME",
                     help="tiny, rn50, vit-b-16, vit-b-16-sie-olp, the name of a CLIP in open_clip, or resnet or vit"
                     " for the CLIP in the file of --weights.  [default: tiny for synthped, else rn50]"),
        click.option("--allow-partial", is_flag=True, help="Accept missing images and part maps."),
        click.option("--parser-maps", type=PathText(), multiple=True, metavar="NAME=FOLDER",
                     help="Part maps of a parser, a row of their own in the study parsers. Repeatable."),
        labels_option,
        disk_option("--part-maps", "The folder of its part maps."),
        disk_option("--data-root", "The folder that holds the data set."),
        click.option("--dataset", type=PathText(completion.datasets), metavar="NAME", help="synthped, market1501, "
                     "dukemtmc, msmt17, occluded-duke or a csv file (path, person, camera, split; the person distractor "
                     "is a wrong answer, -1 left out).  [default: synthped]"),
        preset_option("default, long (10 seeds, 28 epochs) or smoke (a minute)."),
    ):  # fmt: skip
        command = option(command)
    return command


def preset_option(help_text: str) -> Callable[[Command], Command]:
    """The option that takes a preset."""
    return click.option("--preset", type=completion.PRESET, metavar="NAME", default="default", show_default=True,
                        help=help_text)  # fmt: skip


def device_options(command: Command) -> Command:
    """The options of commands that train, or say what training would take."""
    for option in (
        click.option("--jobs", type=Jobs(), default="auto", show_default=True, metavar="N",
                     help="Runs at a time; auto: one per core, one per GPU."),
        click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
                     help="Where to train; auto: a GPU if CUDA has one, else the CPU."),
    ):  # fmt: skip
        command = option(command)
    return command


def training_options(command: Command) -> Command:
    """`device_options`, and what else commands that train take."""
    for option in (
        mlflow_option,
        retry_option("Do failed runs again."),
        device_options,
    ):
        command = option(command)
    return command


def mlflow_option(command: Command) -> Command:
    """--no-mlflow."""
    return click.option("--no-mlflow", "mlflow", flag_value=False, default=True, help="Leave MLflow out.")(
        command
    )


def redo_option(command: Command) -> Command:
    """--redo."""
    return click.option("--redo", type=completion.ROWS, metavar="NAMES",
                        help="Train these rows again if other code did or weights were removed.")(command)  # fmt: skip


def retry_option(help_text: str) -> Callable[[Command], Command]:
    """--retry-failed."""
    return click.option("--retry-failed", is_flag=True, help=help_text)


def quiet_option(what: str) -> Callable[[Command], Command]:
    """--quiet, of commands that print `what` at the end."""
    return click.option("--quiet", is_flag=True, help=f"No progress; only warnings and the {what}.")


def disk_option(name: str, help_text: str, required: bool = False) -> Callable[[Command], Command]:
    """An option that takes a folder, and has none to begin with."""
    return click.option(name, type=UserPath(), metavar="PATH", required=required, help=help_text)


def labels_option(command: Command) -> Command:
    """--labels, of commands that read part maps."""
    return click.option("--labels", type=click.Choice(LABEL_SETS), help="Label set of part maps without meta.json.  "
                        "[default: as SCHP's palette or class ids say]")(command)  # fmt: skip


def debug_option(command: Command) -> Command:
    """--debug; `main` looks for it, since an error may come before click has read it."""
    show = "Show where an error came from."
    return click.option("--debug", is_flag=True, expose_value=False, help=show)(command)


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """`256x128`, given for `option`, as (height, width)."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None:
        raise UserError(f"{option} {text}: not a size; write height x width in pixels, as 256x128")
    return int(match[1]), int(match[2])
