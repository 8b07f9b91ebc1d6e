"""Methods as they are typed: NAME=FILE, FILE, or NAME=FILE-{0..4} for one with several seeds."""

import re
from collections.abc import Sequence
from pathlib import Path

from pivl.errors import UserError
from pivl.system.homes import expand_home
from studies.study import Row

NAMED = re.compile(r"([A-Za-z0-9][\w.+-]{0,60})=(.+)", re.DOTALL)
SEEDS = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")
MOST_SEEDS = 1000

Files = dict[int, Path]
"""By seed."""


def parse_methods(typed: Sequence[str]) -> dict[str, Files]:
    """The files of each method, by its name and seed; a name that is typed again, as a shell writes {0..4} out, has more.

    Raises UserError for two methods of one name.
    """
    found: dict[str, Files] = {}
    for text in typed:
        match = NAMED.fullmatch(text)
        path = match[2] if match else text
        name = match[1] if match else SEEDS.sub("", Path(text).stem).strip("-_.") or Path(text).stem
        if name in found and not match:
            raise UserError(f"{text}: {name} is named already; write it as NAME={text}")
        files = found.setdefault(name, {})
        for seed, one in _files(path, first=max(files, default=-1) + 1).items():
            if one in files.values():
                raise UserError(f"{text}: {one} is named twice; name each file once")
            files[seed] = one
    return found


def _files(text: str, first: int) -> Files:
    """The file that is typed, or one for each number in its braces, which are the seeds."""
    seeds = SEEDS.search(text)
    if seeds is None:
        return {first: expand_home(text)}
    low, high = int(seeds[1]), int(seeds[2])
    if high < low or high - low >= MOST_SEEDS:
        raise UserError(f"{text}: {seeds[0]} are no seeds; write {{0..4}}")
    return {
        seed: expand_home(f"{text[: seeds.start()]}{seed}{text[seeds.end() :]}")
        for seed in range(low, high + 1)
    }


def external_row(name: str) -> Row:
    """The row of a method that is not trained here."""
    return Row(name, name, "external", {})
