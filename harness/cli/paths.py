"""Types of path arguments: `~` is the home folder, and paths to write are checked before any work."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from harness.cli.completion import complete_names
from pivl.errors import UserError
from pivl.system.homes import expand_home
from pivl.system.outputs import check_folder, check_output, write_text_output

LONGEST = 255  # bytes of a name, on the file systems that there are
OWN = re.compile(
    r"(runs|stages|reranked|external|checkpoints|claims|searches|tables|own_code|mlartifacts)(/|$)|"
    r"(datasets\.json|asked\.jsonl|mlflow\.db.*)$"
)  # what a results folder keeps, by the path below it
MARKS = ("datasets.json", "asked.jsonl", "mlflow.db")  # one of which every results folder has


def deliver(text: str, output: Path | None) -> None:
    """Writes `text` to a file, or prints it where none is named. Raises UserError where it cannot be written."""
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)


class UserPath(click.ParamType):
    """A file or folder."""

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Returns what files there are."""
        return complete_names((), incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that was typed. Raises UserError for what cannot be one."""
        return value if isinstance(value, Path) else read_path(value)


class OutputFile(UserPath):
    """An output file, refused before any work if it cannot be written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that was typed; UserError also where no file can be written there."""
        path = super().convert(value, param, ctx)
        check_output(path)
        refuse_own(path)
        return path


class OutputFolder(UserPath):
    """An output folder, refused before any work if it cannot be filled."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that was typed; UserError also where nothing can be written below it."""
        path = super().convert(value, param, ctx)
        check_folder(path)
        refuse_own(path)
        return path


class PathText(click.ParamType):
    """A file or folder among other things: a name instead, or behind NAME=; a shell completes `names`, then files."""

    name = "text"

    def __init__(self, names: Callable[[], Iterable[str]] = tuple) -> None:
        self.names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Returns names that begin as what was typed does, and else what files there are."""
        return complete_names(self.names(), incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The typed text with `~` replaced by the home folder. Raises UserError if there is none."""
        _check_names(value)
        match = re.fullmatch(r"([a-z0-9][a-z0-9_.-]*=)?(~.*)", value, flags=re.DOTALL)
        return value if match is None else f"{match[1] or ''}{expand_home(match[2])}"


def read_path(text: str) -> Path:
    """The path that `text` names. UserError for no name, one that is too long, and `~user` where nobody is called so."""
    if not text:
        raise UserError("an empty name is no file and no folder; leave the option out, or name one")
    _check_names(text)
    return expand_home(text)


def refuse_own(path: Path) -> None:
    """Raises UserError where `path` is of what a results folder keeps: records are written by run alone."""
    real = Path(os.path.realpath(path))
    for folder in real.parents:
        if OWN.match(real.relative_to(folder).as_posix()) and is_results(folder):
            raise UserError(
                f"{path} is of the results in {folder}, which are not written over; name another file"
            )


def is_results(folder: Path) -> bool:
    """Whether results were recorded in `folder`."""
    return any((folder / name).exists() for name in MARKS) or any(folder.glob("*/*/record.json"))


def _check_names(text: str) -> None:
    if "\0" in text:
        raise UserError(f"{text!r}: no name of a file has NUL in it")
    for part in text.split("/"):
        if len(os.fsencode(part)) > LONGEST:
            raise UserError(f"{part[:20]}...: no file has a name of {len(os.fsencode(part))} letters")
