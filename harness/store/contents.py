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


def list_contents(results: Results) -> list[StoredRow]:
    """The rows in the order in which they were first asked for, then runs of none, then methods of other code."""
    runs = {folder.name: (folder, record) for folder, record in results.records("runs")}
    found, named = [], set()
    for row in asked_rows(results):
        own = [runs[run] for run in row.runs.values() if run in runs]
        named |= {folder.name for folder, _ in own}
        if own:
            apart = describe_changes(row.changed)
            found.append(_stored(row.table, row.row, row.dataset, apart, own))
    left = [one for name, one in runs.items() if name not in named]
    found += [
        _stored("", NO_ROW, record.get("dataset", ""), "", [(folder, record)]) for folder, record in left
    ]
    return found + list(_external(results))


def stored_tables(results: Results) -> list[str]:
    """Returns the tables that have runs, as `ablation on market1501 with rn50 (8 runs)`, the one with most runs first."""
    runs, counts = {folder.name for folder, _ in results.records("runs")}, Counter[str]()
    for row in asked_rows(results):
        backbone = f" with {row.choices['backbone']}" if "backbone" in row.choices else ""
        counts[f"{row.table} on {row.dataset}{backbone}"] += sum(run in runs for run in row.runs.values())
    return [f"{name} ({count} run{'s' * (count > 1)})" for name, count in counts.most_common() if count]


def _external(results: Results) -> Iterator[StoredRow]:
    for folder, record in results.records("external"):
        data = record["signature"].split("|")[1]
        yield _stored("external", record["file"]["name"], data, "", [(folder, record)])


def _stored(
    table: str, row: str, dataset: str, changed: str, own: Sequence[tuple[Path, Record]]
) -> StoredRow:
    seeds = ", ".join(_seed(record) for _, record in sorted(own, key=lambda one: one[1]["seed"]))
    date = max((str(record.get("date", ""))[:16].replace("T", " ") for _, record in own), default="")
    return StoredRow(table, row, dataset, seeds, date, changed, _size(folder for folder, _ in own))


def _seed(record: Record) -> str:
    return str(record["seed"]) if record["status"] == "finished" else f"({record['seed']})"


def _size(folders: Iterable[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir() if path.is_file())
