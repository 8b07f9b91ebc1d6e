"""pivl.toml in the working folder: options that repeat in a project, taken where they are not typed.

dataset = "market1501"        # of every command that has --dataset
data-root = "~/data"

[run]                         # of pivl-bench run alone
jobs = 2
no-mlflow = true
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from harness.inputs.choices import choose
from pivl.errors import UserError, explain

NAME = "pivl.toml"
NOT_KEPT = ("help", "version", "debug")
Defaults = dict[str, Any]


def read_defaults(commands: click.Group, folder: Path) -> Defaults:
    """Returns click's default_map of a folder's pivl.toml, empty without one. Raises UserError for what is no option."""
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: {explain(error, path)}; write lines as dataset = "market1501"') from error
    return _defaults(commands, {}, read, path)


def tell_defaults(context: click.Context) -> None:
    """Prints in one line, on stderr, which options of a command are pivl.toml's."""
    source = click.core.ParameterSource.DEFAULT_MAP
    taken = [one for one in context.command.params if context.get_parameter_source(one.name or "") is source]
    said = [f"{max(one.opts, key=len)} {_shown(one, context.params[one.name or ''])}" for one in taken]
    if taken:
        click.echo(f"{NAME}: {', '.join(map(str.strip, said))}", err=True)


def _defaults(command: click.Command, for_all: Defaults, own: Defaults, path: Path) -> Defaults:
    """The defaults of a command, or by name those of a group's; what `own` says stands before `for_all`."""
    if isinstance(command, click.Group):
        known = {name for one in _commands(command) for name in _options(one)}
        sections = {name: value for name, value in own.items() if isinstance(value, dict)}
        for name in own:
            section = name in sections
            _choose(name, command.commands if section else known, path, "command" if section else "option")
        for_all = {**for_all, **{name: value for name, value in own.items() if name not in sections}}
        return {
            name: _defaults(one, for_all, sections.get(name, {}), path)
            for name, one in command.commands.items()
        }
    options = _options(command)
    for name in own:
        _choose(name, options, path)
    wanted = {name: value for name, value in {**for_all, **own}.items() if name in options}
    return dict(_value(options[name], name, value, path) for name, value in wanted.items())


def _value(option: click.Option, name: str, value: Any, path: Path) -> tuple[str, Any]:
    """The name of an option's parameter and its value, as text that its type reads."""
    assert option.name is not None
    if option.is_flag and isinstance(value, bool):
        on = _on(option) and f"--{name}" not in option.secondary_opts
        return option.name, on if value else not on
    listed = value if isinstance(value, list) else [value]
    if option.is_flag or not all(
        isinstance(one, str | int | float) and not isinstance(one, bool) for one in listed
    ):
        raise UserError(f"{path}: {name} takes {'true or false' if option.is_flag else 'a text or a number'}")
    if isinstance(value, list) and not option.multiple:
        raise UserError(f"{path}: {name} takes one value, not a list")
    return option.name, [str(one) for one in listed] if option.multiple else str(value)


def _on(option: click.Option) -> bool:
    """The value of a flag's parameter where it is typed: as declared, so False of --no-mlflow, and else True."""
    return option.flag_value if isinstance(option.flag_value, bool) else True


def _options(command: click.Command) -> Mapping[str, click.Option]:
    """The options of a command by their long names, without dashes."""
    options = [one for one in command.params if isinstance(one, click.Option)]
    named = {
        text[2:]: one for one in options for text in (*one.opts, *one.secondary_opts) if text[:2] == "--"
    }
    return {name: one for name, one in named.items() if name not in NOT_KEPT}


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _commands(one)


def _choose(name: str, known: Any, path: Path, kind: str = "option") -> None:
    try:
        choose(kind, name, known)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _shown(option: click.Parameter, value: Any) -> str:
    if isinstance(option, click.Option) and option.is_flag:
        return "" if value is _on(option) else "off"
    return " ".join(map(str, value if isinstance(value, tuple) else [value]))
