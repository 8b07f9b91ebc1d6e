"""What is stored of a run or a stage: found again by what it is, whole or not at all, checked when read.

A folder `runs/<id>/` holds record.json, queries.parquet, history.jsonl and model.safetensors; `stages/<id>/`
the same without queries. It is filled under a temporary name, flushed and renamed. record.json carries the
size and SHA-256 of its neighbours and a checksum of itself; what does not agree is said in one line and
counts as not there.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pivl.errors import UserError
from pivl.files import sha256_of
from pivl.recipe import Recipe, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from torch import Tensor

SCHEMA = 1
"""Raised when a record's form changes, or when the method's code changes the numbers that a recipe gives."""

KINDS = ("runs", "stages", "reranked")  # the folders below the results that hold records
ABANDONED = 3600.0  # seconds after which no process still writes a folder, which takes a moment

Record = dict[str, Any]
Files = Mapping[str, Callable[[Path], object]]
"""From a file's name to the function that writes it."""


@dataclass(frozen=True)
class Run:
    """What a run is: nothing else decides its weights.

    `weights` is the SHA-256 of the checkpoint it starts from; the name of the data set is not hashed, its
    fingerprint is. `limit_steps`: each stage ended after so many steps, so that this is a trial and no result. `maps`
    is the digest of the part maps where the fingerprint does not cover them; only what is trained on them has it in
    its id.
    """

    recipe: Recipe
    dataset: str
    fingerprint: str
    weights: str
    seed: int
    limit_steps: int | None = None
    maps: str = ""

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the hash over recipe, data, initial weights, seed and schema version."""
        return self._hash("run", "image-tower", self.recipe.choices())

    def stage_id(self, stage: Stage) -> str:
        """The same over the choices that `stage` depends on: rows which agree on them share the stage."""
        return self._hash(stage, stage, self.recipe.stage_choices(stage))

    def _hash(self, kind: str, reached: Stage, choices: Mapping[str, Any]) -> str:
        what = {"kind": kind, "schema": SCHEMA, "choices": choices, "data": self.fingerprint}
        trial: dict[str, Any] = {} if self.limit_steps is None else {"limit_steps": self.limit_steps}
        trial |= {"maps": self.maps} if self.maps and self.recipe.sees_maps(reached) else {}
        return _digest({**what, "weights": self.weights, "seed": self.seed, **trial})[:16]


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

    def run_folder(self, run_id: str) -> Path:
        """Where a run is, or would be."""
        return self.root / "runs" / run_id

    def reranked_folder(self, run_id: str) -> Path:
        """Where the re-ranked scores of a run are, or would be."""
        return self.root / "reranked" / run_id

    def stage_folder(self, stage_id: str) -> Path:
        """Where a stage is, or would be."""
        return self.root / "stages" / stage_id

    def checkpoint_folder(self, task_id: str) -> Path:
        """Where the checkpoints of a stage or run that is under way are."""
        return self.root / "checkpoints" / task_id

    def prepare(self) -> None:
        """Make sure of the results folder, and take away what killed processes left half written in it.

        Raises UserError now, not after an hour of training, when it cannot be written.
        """
        with _writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"0" * 4096)
                probe.flush()
            for left in (left for kind in KINDS for left in self.root.glob(f"{kind}/.*")):
                with suppress(FileNotFoundError):  # another command may be done with it this very moment
                    if time.time() - left.stat().st_mtime > ABANDONED:
                        shutil.rmtree(left)
            stored = replace(self, warn=lambda text: None)  # what is broken is said by those who want it
            for left in self.root.glob("checkpoints/*"):
                if stored.has_stage(left.name) or isinstance(stored.read_run(left.name), Finished):
                    shutil.rmtree(left, ignore_errors=True)

    def read_run(self, run_id: str) -> Finished | Failed | None:
        """The run with its queries, a failure, or None where there is nothing or nothing sound."""
        return self._read(run_id, self.run_folder(run_id))

    def read_reranked(self, run_id: str) -> Finished | Failed | None:
        """The run with its re-ranked scores in place of the others; a failure of the run stays one."""
        found = self._read(run_id, self.reranked_folder(run_id))
        if found is not None:
            return found
        run = self.read_run(run_id)
        return run if isinstance(run, Failed) else None

    def _read(self, run_id: str, folder: Path) -> Finished | Failed | None:
        record = self._record(folder)
        if record is None:
            return None
        if record["status"] == "failed":
            return Failed(run_id, record["seed"], record["error"], tuple(record["lines"]))
        if not self._sound(folder, record, hashed=("queries.parquet",)):
            return None
        import pandas as pd

        return Finished(
            id=run_id,
            seed=record["seed"],
            metrics={
                name: float("nan") if value is None else value for name, value in record["metrics"].items()
            },
            signature=record["signature"],
            queries=pd.read_parquet(folder / "queries.parquet"),
            device=record["device"],
            commit=record["commit"] + ("+changes" if record["dirty"] else ""),
            record=record,
        )

    def has_stage(self, stage_id: str) -> bool:
        """Whether the stage is there, every file of it as it was written."""
        folder = self.stage_folder(stage_id)
        record = self._record(folder)
        return record is not None and self._sound(folder, record, hashed=tuple(record["files"]))

    def read_stage(self, stage_id: str) -> "dict[str, Tensor]":
        """The tensors of a stage that `has_stage`."""
        return self.read_tensors(self.stage_folder(stage_id))

    def read_tensors(self, folder: Path) -> "dict[str, Tensor]":
        """The tensors of a stored run or stage."""
        from safetensors.torch import load_file

        return load_file(folder / "model.safetensors")

    def read_history(self, folder: Path) -> list[dict[str, Any]]:
        """The loss terms of a run or stage by step; empty where history.jsonl is not there."""
        path = folder / "history.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def write(self, folder: Path, record: Record, files: Files) -> None:
        """Store `record` and `files` as `folder`, whole or not at all.

        What stood there, a failed or broken record, is replaced. Raises UserError when the disk refuses.
        """
        with _writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            try:
                for name, write in files.items():
                    write(temporary / name)
                sizes = {name: _facts(temporary / name) for name in files}
                complete = {"schema": SCHEMA, **record, "files": sizes}
                complete["checksum"] = _digest(complete)
                text = json.dumps(complete, indent=2, sort_keys=True, allow_nan=False) + "\n"
                (temporary / "record.json").write_text(text)
                for path in temporary.iterdir():
                    path.chmod(0o644)  # some writers make files that only their owner can read
                    _flush(path)
                temporary.chmod(0o755)
                self._put(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def _put(self, temporary: Path, folder: Path) -> None:
        """Rename into place; whatever is there, or comes there meanwhile from another process, gives way."""
        try:
            temporary.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            replaced = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            folder.rename(replaced / "replaced")
            temporary.rename(folder)
            shutil.rmtree(replaced)
        _flush(folder.parent)

    def _record(self, folder: Path) -> Record | None:
        path = folder / "record.json"
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text())
            schema, checksum = record["schema"], record.pop("checksum")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._broken(folder, "record.json cannot be read")
            return None
        if schema != SCHEMA:
            self._broken(folder, f"it has schema {schema} and this version reads {SCHEMA}")
            return None
        if checksum != _digest(record):
            self._broken(folder, "record.json is not as it was written")
            return None
        return dict(record)

    def _sound(self, folder: Path, record: Record, hashed: tuple[str, ...]) -> bool:
        for name, facts in record["files"].items():
            path = folder / name
            if not path.exists() or path.stat().st_size != facts["bytes"]:
                self._broken(folder, f"{name} is missing or cut")
                return False
            if name in hashed and sha256_of(path) != facts["sha256"]:
                self._broken(folder, f"{name} is not as it was written")
                return False
        return True

    def _broken(self, folder: Path, why: str) -> None:
        self.warn(f"{folder}: {why}; it counts as missing and is done again by run")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(path: Path) -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UserError(
            f"cannot write {path}: {why}; free space or name another folder with --results"
        ) from error
