"""Checks a typed name against the known names, with the nearest match in the error."""

import difflib
from collections.abc import Iterable

from pivl.errors import UserError


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns `name` if it is known. Raises UserError with the known names and the nearest match."""
    names = list(known)
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise UserError(f"unknown {kind} {name!r}; known: {', '.join(names)}{hint}")


def choose_all(kind: str, text: str, known: Iterable[str]) -> list[str]:
    """Names separated by commas, each known, in the order of `known`."""
    names = list(known)
    wanted = {choose(kind, name.strip(), names) for name in text.split(",") if name.strip()}
    if not wanted:
        raise UserError(f"no {kind} named; known: {', '.join(names)}")
    return [name for name in names if name in wanted]
