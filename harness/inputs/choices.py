"""What a person types to choose among known names, and the line that helps when it is none of them."""

import difflib
from collections.abc import Iterable

from pivl.errors import UserError


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """`name` if it is known; else UserError with the list of known ones and the nearest match."""
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
