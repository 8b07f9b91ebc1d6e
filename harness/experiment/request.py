"""Request: what was typed about a study, and its seeds, before anything is resolved."""

import re
from dataclasses import dataclass
from pathlib import Path

from pivl.errors import UserError


def parse_seeds(text: str, kind: str = "seed") -> tuple[int, ...]:
    """`0-2`, `0,3` or `1,4-6` as sorted seeds, or another `kind` of number; UserError for anything else."""
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise UserError(f"--{kind}s {text}: {part.strip()!r} is no {kind}; write 0-2 or 0,3")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(f"--{kind}s {text}: {first}-{last} runs backwards; write {last}-{first}")
        if last - first >= 1000:
            raise UserError(f"--{kind}s {text}: more than 1000 {kind}s")
        seeds.update(range(first, last + 1))
    return tuple(sorted(seeds))


def parse_worlds(text: str | None) -> tuple[int, ...]:
    """The worlds that were typed, world 0 where none was; UserError as for `parse_seeds`."""
    return parse_seeds(text, "world") if text else (0,)


@dataclass(frozen=True)
class Request:
    """The typed arguments of a command about a study; None for an option that was not typed.

    study_file: a file of Python that builds the study; `study` may then be empty.
    """

    study: str = ""
    preset: str = "default"
    rows: str | None = None
    seeds: str | None = None
    worlds: str | None = None
    dataset: str | None = None
    data_root: Path | None = None
    part_maps: Path | None = None
    backbone: str | None = None
    weights: str | None = None
    student: str | None = None
    student_weights: str | None = None
    precision: str = "auto"
    overrides: tuple[str, ...] = ()
    allow_partial: bool = False
    limit_steps: int | None = None
    rerank: bool = False
    parser_maps: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    own_rows: tuple[str, ...] = ()
    study_file: Path | None = None
    redo: str | None = None
    labels: str | None = None
