"""Lists the contents of a results folder: requested rows and methods of other code, with seeds, date and size."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.display.text import describe_changes
from harness.store.record_file import Record
from harness.store.records import Results
from harness.store.row_index import asked_rows

NO_ROW = "(no row)"


@dataclass(frozen=True)
class StoredRow:
    """Runs that belong together: the table and row that asked for them, and what is stored of them.

    seeds: finished ones, and failed ones in brackets. date: of the newest. bytes: of all their files.
    """

    table: str
    row: str
    dataset: str
    seeds: str
    date: str
    changed: str
    bytes: int


@dataclass(frozen=True)
class StoredRun:
    """A stored run of a row, or a method of other code; state: finished, or failed; mean_ap: in percent."""

    id: str
    table: str
    row: str
    seed: int
    state: str
    mean_ap: float | None


@dataclass(frozen=True)
class _Group:
    """The folders and records of one StoredRow."""

    table: str
    row: str
    dataset: str
    changed: str
    own: Sequence[tuple[Path, Record]]


def list_contents(results: Results) -> list[StoredRow]:
    """The rows in the order in which they were first asked for, then runs of none, then methods of other code."""
    return [_stored(group) for group in _groups(results)]


def list_runs(results: Results) -> list[StoredRun]:
    """The runs of the rows of list_contents, by seed; a run that stands in several rows is in each."""
    return [
        StoredRun(
            folder.name,
            group.table,
            group.row,
            record["seed"],
            record["status"],
            record.get("metrics", {}).get("mAP"),
        )
        for group in _groups(results)
        for folder, record in _by_seed(group.own)
    ]


def _groups(results: Results) -> Iterator[_Group]:
    """The precision counts as changed where rows differ in it: `auto` gives all of a folder the same."""
    runs = {folder.name: (folder, record) for folder, record in results.records("runs")}
    asked, named = asked_rows(results), set()
    usual = {"precision"} if len({row.changed.get("precision") for row in asked}) == 1 else set()
    for row in asked:
        own = [runs[run] for run in row.runs.values() if run in runs]
        named |= {folder.name for folder, _ in own}
        if own:
            apart = {name: value for name, value in row.changed.items() if name not in usual}
            yield _Group(row.table, row.row, row.dataset, describe_changes(apart), own)
    for name, one in runs.items():
        if name not in named:
            yield _Group("", NO_ROW, one[1].get("dataset", ""), "", [one])
    yield from _external(results)


def stored_tables(results: Results) -> list[str]:
    """Returns the tables that have runs, as `ablation on market1501 with rn50 (8 runs)`, the one with most runs first."""
    runs, counts = {folder.name for folder, _ in results.records("runs")}, Counter[str]()
    for row in asked_rows(results):
        backbone = f" with {row.choices['backbone']}" if "backbone" in row.choices else ""
        counts[f"{row.table} on {row.dataset}{backbone}"] += sum(run in runs for run in row.runs.values())
    return [f"{name} ({count} run{'s' * (count > 1)})" for name, count in counts.most_common() if count]


def _external(results: Results) -> Iterator[_Group]:
    for folder, record in results.records("external"):
        data = record["signature"].split("|")[1]
        yield _Group("external", record["file"]["name"], data, "", [(folder, record)])


def _stored(group: _Group) -> StoredRow:
    seeds = ", ".join(_seed(record) for _, record in _by_seed(group.own))
    date = max((str(record.get("date", ""))[:16].replace("T", " ") for _, record in group.own), default="")
    size = _size(folder for folder, _ in group.own)
    return StoredRow(group.table, group.row, group.dataset, seeds, date, group.changed, size)


def _by_seed(own: Sequence[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    return sorted(own, key=lambda one: one[1]["seed"])


def _seed(record: Record) -> str:
    return str(record["seed"]) if record["status"] == "finished" else f"({record['seed']})"


def _size(folders: Iterable[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir() if path.is_file())
