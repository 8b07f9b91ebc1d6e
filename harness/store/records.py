"""Stores and reads runs and stages by id: whole or absent, checked when read.

A folder `runs/<id>/` holds record.json, queries.parquet, history.jsonl and model.safetensors; `stages/<id>/` the same
without queries. It is filled under a temporary name, flushed and renamed. What does not agree with record.json, as
harness.store.record_file has it, is said in one line and counts as not there; a run that lacks but weights is there.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.display.text import describe_commit
from harness.store import record_file
from harness.store.atomic import write_folder, writing
from harness.store.claims import Claims
from harness.store.record_file import WEIGHTS, Files, Record
from pivl.errors import NoWeights, UserError, explain
from pivl.system.files import read_bytes, remove_abandoned
from pivl.system.json_files import parse_json
from pivl.system.outputs import check_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from torch import Tensor
from harness.store.run import Run

KINDS = ("runs", "stages", "reranked", "external")  # the folders below the results that hold records
FOLDERS = (*KINDS, "checkpoints", "claims", "searches", "tables", "own_code")  # all that there may be
QUERIES = "queries.parquet"
SCORES = ("query", "person", "camera", "average_precision", "first_match")  # its columns that all runs have


@dataclass(frozen=True)
class Finished:
    """A finished run as read: `queries` has a line per query, `record` is record.json as it was written."""

    id: str
    seed: int
    metrics: dict[str, float]
    signature: str
    queries: "pd.DataFrame"
    device: str
    commit: str
    record: Record

    @cached_property
    def health(self) -> dict[str, float]:
        """The figures of its health, NaN where one is not defined; none for a run from before they were measured."""
        return _numbers(self.record.get("health", {}))

    @property
    def figures(self) -> dict[str, float]:
        """The metrics, and the figures of its health as `health/NAME`."""
        return self.metrics | {f"health/{name}": value for name, value in self.health.items()}


@dataclass(frozen=True)
class Failed:
    """A run that failed: why, in one line, and the last lines that its process wrote."""

    id: str
    seed: int
    error: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """The runs and stages under one results folder; `warn` takes a line about anything found broken."""

    root: Path
    warn: Callable[[str], None]

    @property
    def claims(self) -> Claims:
        """The claims on the tasks of these results."""
        return Claims(self.root / "claims")

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run, which need not exist."""
        return self.root / "runs" / run_id

    def reranked_folder(self, run_id: str) -> Path:
        """The folder of a run's re-ranked scores, which need not exist."""
        return self.root / "reranked" / run_id

    def external_folder(self, identity: str) -> Path:
        """The folder of the scores of a method that was trained elsewhere, which need not exist."""
        return self.root / "external" / identity

    def stage_folder(self, stage_id: str) -> Path:
        """The folder of a stage, which need not exist."""
        return self.root / "stages" / stage_id

    def checkpoint_folder(self, task_id: str) -> Path:
        """The folder of the checkpoints of an unfinished stage or run."""
        return self.root / "checkpoints" / task_id

    def prepare(self) -> None:
        """Creates or checks the results folder, and removes leftovers of killed processes.

        Raises UserError now, not after an hour of training, when it cannot be written.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                check_folder(self.root / name)
            for path in filter(Path.is_dir, self.root.glob("tables/*.*")):
                raise UserError(f"{path} is a folder where a table's file goes; move it away")
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"0" * 4096)
                probe.flush()
            self.sweep()
            for left in filter(self._is_left, self.root.glob("checkpoints/*")):
                shutil.rmtree(left, ignore_errors=True)

    def _is_left(self, checkpoint: Path) -> bool:
        """Whether a checkpoint is older than the end of its run or stage; a newer one is of what is done again."""
        stored = replace(self, warn=lambda text: None)  # what is broken is said by those who want it
        run, stage = self.run_folder(checkpoint.name), self.stage_folder(checkpoint.name)
        ended = (stored.find_run(run.name) or {}).get("status") == "finished" or stored.has_stage(stage.name)
        end = (run if run.exists() else stage) / "record.json"
        return ended and checkpoint.stat().st_mtime_ns < end.stat().st_mtime_ns

    def sweep(self) -> None:
        """Removes leftovers of killed processes: claims and temporary files."""
        self.claims.sweep()
        for pattern in (*KINDS, "tables", "checkpoints/*"):
            for folder in self.root.glob(pattern):
                remove_abandoned(folder)
        remove_abandoned(self.root)

    def records(self, kind: str) -> "Iterator[tuple[Path, Record]]":
        """The folders of `kind`, one of KINDS, and their records; what cannot be read is said and left out."""
        for folder in sorted(self.root.glob(f"{kind}/[!.]*")):
            if (record := self.read_record(folder)) is not None:
                yield folder, record

    def find_run(self, run_id: str, with_weights: bool = False) -> Record | None:
        """The record of a run, finished or failed, whose scores are as they were written; None where there is none.

        with_weights: whether one whose weights were removed counts as none.
        """
        return self._find(self.run_folder(run_id), not with_weights)

    def find_reranked(self, run_id: str) -> Record | None:
        """Finds the record of a run's re-ranked scores, or of its failure."""
        run, found = self.find_run(run_id), self._find(self.reranked_folder(run_id))
        return run if found is None and run is not None and run["status"] == "failed" else found

    def read_run(self, run_id: str) -> Finished | Failed | None:
        """Reads the run with its queries, or a failure; None if there is no sound record."""
        return self._read(run_id, self.run_folder(run_id), self.find_run(run_id))

    def read_reranked(self, run_id: str) -> Finished | Failed | None:
        """Reads the run with its re-ranked scores and its health; a failure of the run stays a failure."""
        record, run = self.find_reranked(run_id), self.find_run(run_id)
        if record is not None and run is not None and "health" in run:
            record = {**record, "health": run["health"]}
        return self._read(run_id, self.reranked_folder(run_id), record)

    def read_external(self, identity: str) -> Finished | Failed | None:
        """Reads the scores of a method that was trained elsewhere, with its queries."""
        folder = self.external_folder(identity)
        return self._read(identity, folder, self._find(folder))

    def _find(self, folder: Path, weightless: bool = False) -> Record | None:
        record = self.read_record(folder)
        sound = record is not None and self.is_sound(folder, record, (QUERIES,), weightless)
        return record if sound else None

    def _read(self, run_id: str, folder: Path, record: Record | None) -> Finished | Failed | None:
        if record is None:
            return None
        if record["status"] == "failed":
            return Failed(run_id, record["seed"], record["error"], tuple(record["lines"]))
        queries = self._read_queries(folder)
        if queries is None:
            return None
        return Finished(
            id=run_id,
            seed=record["seed"],
            metrics=_numbers(record["metrics"]),
            signature=record["signature"],
            queries=queries,
            device=record["device"],
            commit=describe_commit(record["commit"], record["dirty"]),
            record=record,
        )

    def _read_queries(self, folder: Path) -> "pd.DataFrame | None":
        import pandas as pd

        try:
            found = pd.read_parquet(folder / QUERIES)
            if not all(pd.api.types.is_numeric_dtype(found[name]) for name in SCORES):
                raise ValueError("scores are numbers")
            return found
        except (
            Exception
        ) as error:  # Arrow has errors of its own for each way in which a file may be none of its
            self._broken(folder, f"{QUERIES} cannot be read ({explain(error, folder / QUERIES)})")
            return None

    def find_stage(self, stage_id: str, with_weights: bool = True) -> Record | None:
        """The record of a stage, all of whose files are as written; with_weights: whether these have to be there."""
        folder = self.stage_folder(stage_id)
        record = self.read_record(folder)
        sound = record and self.is_sound(folder, record, record["files"], not with_weights)
        return record if sound else None

    def has_stage(self, stage_id: str) -> bool:
        """Whether the stage is stored and all its files are as written."""
        return self.find_stage(stage_id) is not None

    def read_stage(self, stage_id: str) -> "dict[str, Tensor]":
        """The tensors of a stage that `has_stage`."""
        return self.read_tensors(self.stage_folder(stage_id))

    def read_tensors(self, folder: Path) -> "dict[str, Tensor]":
        """The tensors of a stored run or stage. Raises UserError if they are not as they were written."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(self._read_file(folder, WEIGHTS))
        except FileNotFoundError as error:
            raise NoWeights(folder) from error
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(
                f"{folder}: {WEIGHTS} is not as it was written; remove it with pivl-bench results rm "
                f"{folder.name}, and run makes it again"
            ) from error
        # Cloned: memory of Python's own has no fixed alignment, on which the last bits of a product may depend.
        return {name: value.clone() for name, value in tensors.items()}

    def read_history(self, folder: Path) -> list[dict[str, Any]]:
        """The loss terms of a run or stage by step; empty where there are none and, with a warning, none sound."""
        if not (folder / "history.jsonl").exists():
            return []
        try:
            content = self._read_file(folder, "history.jsonl")
            return [dict(parse_json(line)) for line in content.splitlines()]
        except (OSError, ValueError, TypeError):
            self.warn(f"{folder}: history.jsonl is damaged; its curves are left out")
            return []

    def _read_file(self, folder: Path, name: str) -> bytes:
        """Reads a file of a stored folder. Raises OSError or ValueError if it is not as written."""
        facts = (self.read_record(folder) or {"files": {}})["files"].get(name)
        content = read_bytes(folder / name)
        if facts is None or hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise ValueError("not as it was written")
        return content

    def write(self, folder: Path, record: Record, files: Files) -> None:
        """Stores `record` and `files` as `folder`, whole or not at all.

        What stood there, a failed or broken record, is replaced. Raises UserError when the disk refuses.
        """
        write_folder(folder, lambda temporary: record_file.fill(temporary, record, files))

    def write_failure(self, run: Run, error: str, lines: Sequence[str]) -> None:
        """Stores that `run` failed, why in one line, and the last lines that its process wrote."""
        record = {"id": run.id, "status": "failed", "seed": run.seed, "error": error, "lines": list(lines)}
        self.write(self.run_folder(run.id), record, {})

    def read_record(self, folder: Path) -> Record | None:
        """Reads record.json; None if there is none or, with a warning, none that is sound."""
        try:
            return record_file.read(folder)
        except ValueError as error:
            self._broken(folder, str(error))
            return None

    def is_sound(
        self, folder: Path, record: Record, hashed: Collection[str], weightless: bool = False
    ) -> bool:
        """Whether all files of `record` are there at their size, `weightless`: but weights; `hashed`: as written."""
        try:
            record_file.check_files(folder, record, hashed, weightless)
        except ValueError as error:
            self._broken(folder, str(error))
            return False
        return True

    def _broken(self, folder: Path, why: str) -> None:
        self.warn(f"{folder}: {why}; it counts as missing, and run trains it again")


def _numbers(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Figures as JSON has them, NaN for null."""
    return {name: float("nan") if value is None else value for name, value in figures.items()}
