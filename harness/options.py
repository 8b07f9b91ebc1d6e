"""Options that several commands share, and what may be typed for them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pivl.errors import UserError

Command = Callable[..., Any]


def path_option(name: str, default: str, help_text: str) -> Callable[[Command], Command]:
    """An option that takes a file or folder."""
    kind = click.Path(path_type=Path)
    return click.option(name, type=kind, default=default, show_default=True, metavar="PATH", help=help_text)


def question_options(command: Command) -> Command:
    """The argument and options by which `run` and `table` say what they are about."""
    for option in (
        debug_option,
        path_option("--results", "results", "Where runs are recorded."),
        click.option("--preset", default="default", show_default=True, help="default, or smoke: a minute."),
        click.option("--seeds", metavar="LIST", help="Seeds, as 0-2 or 0,3.  [default: the study's own]"),
        click.option("--rows", metavar="NAMES", help="Only these rows, as clip-reid,pi-vl.  [default: all]"),
        click.argument("study"),
    ):
        command = option(command)
    return command


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


def parse_size(text: str) -> tuple[int, int]:
    """`256x128` as (height, width)."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None:
        raise UserError(f"--size {text}: not a size; write height x width in pixels, as 256x128")
    return int(match[1]), int(match[2])
