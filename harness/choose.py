"""What a person types to choose among known names, and the line that helps when it is none of them."""

import difflib
import re
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


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0-2`, `0,3` or `1,4-6` as sorted seeds; UserError for anything else."""
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise UserError(f"--seeds {text}: {part.strip()!r} is no seed; write 0-2 or 0,3")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(f"--seeds {text}: {first}-{last} runs backwards; write {last}-{first}")
        if last - first >= 1000:
            raise UserError(f"--seeds {text}: more than 1000 seeds")
        seeds.update(range(first, last + 1))
    return tuple(sorted(seeds))
