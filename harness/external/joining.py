"""Joins methods of other code to the runs of a study: rows of its table, held to the same queries and gallery."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.display.progress import Progress
from harness.external.described import Described
from harness.external.methods import parse_methods
from harness.external.records import read_method, record_described
from harness.external.request import Reading
from harness.external.test_set import codes
from harness.store.records import Finished, Results
from pivl.errors import UserError

METRIC = "euclid-l2"  # that of every run
LABELS = ("person", "camera")

Joined = Mapping[str, Mapping[int, Finished]]


def read_each(
    typed: Sequence[str], reading: Reading | None = None, progress: Progress | None = None
) -> Iterator[tuple[str, int, Path, Described]]:
    """Reads the methods that were typed as NAME=FILE, one file at a time; yields name, seed, file and what it holds.

    Raises UserError for a file that describes nothing.
    """
    for name, files in parse_methods(typed).items():
        for seed, path in files.items():
            if progress:
                progress.update(name, f"reading {path.name}")
            yield name, seed, path, read_method(path, reading or Reading())


def join_methods(typed: Sequence[str], runs: Iterable[Finished], results: Results) -> Joined:
    """The scores of the methods that were typed as NAME=FILE, by name and seed, as if they were of the data of `runs`.

    Raises UserError for a file of another test set, one line.
    """
    first = next(iter(runs), None)
    found: dict[str, dict[int, Finished]] = {}
    for name, seed, path, described in read_each(typed):
        scored = record_described(described, path, seed, METRIC, "step", results)
        found.setdefault(name, {})[seed] = scored if first is None else adopt(scored, first, path)
    return found


def adopt(scored: Finished, run: Finished, path: Path) -> Finished:
    """The scores under the names of people, cameras and data that a run has. UserError if they are of other queries."""
    counts = [re.search(r"\|q(\d+) g(\d+)\|", one.signature) for one in (scored, run)]
    ours, theirs = ((match[1], match[2]) if match else ("0", "0") for match in counts)
    if ours != theirs:
        raise UserError(
            f"{path}: {ours[0]} queries and {ours[1]} gallery images, where the runs have {theirs[0]} and {theirs[1]}; "
            "describe the same test set"
        )
    said, asked = (one.signature.split("|")[1] for one in (scored, run))
    if "dataset" in scored.record.get("facts", {}) and said != asked:
        raise UserError(
            f"{path}: says that it describes {said}, and the runs are of {asked}; describe the same test set"
        )
    for what in LABELS:
        differs = np.flatnonzero(
            codes(scored.queries[what].to_numpy()) != codes(run.queries[what].to_numpy())
        )
        if len(differs):
            raise UserError(
                f"{path}: its queries show another {what} than the runs', first query {differs[0] + 1}; describe the "
                "same test set, and save the images' names"
            )
    shared = [name for name in (*LABELS, "cluster") if name in run.queries]
    columns = {name: run.queries[name].to_numpy() for name in shared}
    queries = scored.queries.drop(columns="cluster", errors="ignore").assign(**columns)
    return replace(scored, queries=queries, signature=scored.signature.replace(f"|{said}|", f"|{asked}|", 1))


def describe_joined(found: Joined) -> str:
    """The origin of joined rows in words: files, their digests and how many seeds; empty without any."""
    said = []
    for name, of_seeds in found.items():
        files = [run.record["file"] for run in of_seeds.values()]
        listed = ", ".join(f"{file['name']} (sha256 {file['sha256'][:8]})" for file in files[:3])
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        seeds = "one seed" if len(files) == 1 else f"{len(files)} seeds"
        said.append(f"{name} is of other code, {seeds}: {listed}{more}")
    return "; ".join(said)
