"""The blocks that the cards of shipped weights share, in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pivl.synthped.benchmark import PretrainingConfig
from pivl.system.files import sha256_of


@dataclass(frozen=True)
class Origin:
    """The commit and the machine that a file was made by, in words."""

    commit: str
    machine: str


class Training(Protocol):
    """The facts of a training on a card: `images` were seen in `minutes` by `threads` threads of the version `torch`."""

    @property
    def seed(self) -> int: ...
    @property
    def images(self) -> int: ...
    @property
    def minutes(self) -> float: ...
    @property
    def threads(self) -> int: ...
    @property
    def torch(self) -> str: ...


def describe_file(weights: Path, made: Training, origin: Origin) -> list[str]:
    """Returns a file's size, digest, origin and training time as items of a Markdown list."""
    size = weights.stat().st_size / 1e6
    rate = made.images / (60 * made.minutes)
    return [
        f"- `{weights.name}`, {size:.2f} MB, float16; sha256 `{sha256_of(weights)}`",
        f"- seed {made.seed}, commit {origin.commit}, on {origin.machine}, {made.threads} threads, torch {made.torch}",
        f"- {made.minutes:.1f} minutes of training, which other work may have slowed; "
        f"{made.images} pictures and crops, {rate:.0f} a second",
    ]


def describe_people(config: PretrainingConfig) -> str:
    """Returns the people of a training set as an item of a Markdown list, which more may follow."""
    return (
        f"- people: {config.people}, in families of {config.family} that differ in {config.changes} items, "
        f"{config.shots} pictures each, by {config.cameras} cameras"
    )


def list_choices(values: Mapping[str, object]) -> str:
    """Returns names and values as one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]
