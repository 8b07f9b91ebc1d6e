"""Checkpoints: where the training of a task stands, stored now and then, so that a kill at any instant costs little.

`checkpoints/<task id>/` under the results holds the last two generations. Each is one file of safetensors, named by the
steps that were done and by the SHA-256 of its content, written under a temporary name, flushed and renamed. What is not
tensors is JSON, held as bytes in the tensor `facts`. The folder goes when the task's result is stored.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.record_file import Record
from harness.store.records import Results
from pivl.errors import explain
from pivl.system.files import read_bytes, write_atomically
from pivl.system.json_files import parse_json

if TYPE_CHECKING:
    from pivl.loop import Step
    from pivl.snapshot import Snapshot

GENERATIONS = 2
USUAL_INTERVAL = 600.0  # seconds
FORMAT = 1  # of the file; raised when it changes
FACTS = "facts"
PATTERN = "[0-9]*.safetensors"  # names in the order of the steps that were done


@dataclass(frozen=True)
class Interval:
    """The rule when a checkpoint is due: so many seconds after the last one; None: at the end of every epoch."""

    seconds: float | None

    @classmethod
    def read(cls, text: str, is_embedded: bool) -> "Interval":
        """A number of minutes, `epoch`, or `auto`: every epoch of the embedded benchmark, which takes a second or two."""
        if text == "auto":
            return cls(None if is_embedded else USUAL_INTERVAL)
        return cls(None if text == "epoch" else 60 * float(text))


NEVER = Interval(math.inf)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training and its notes; without arguments, the initial state.

    `account` is what the training log kept; `origins` are device, versions and commit of all processes that were at it.
    """

    snapshot: "Snapshot | None" = None
    account: Record | None = None
    origins: list[Record] = field(default_factory=list)


def has_checkpoint(task_id: str, results: Results) -> bool:
    """Whether a task left a checkpoint, sound or not."""
    return any(results.checkpoint_folder(task_id).glob(PATTERN))


@dataclass
class Checkpoints:
    """The checkpoints of one task in `folder`; `warn` takes a line about each that is not as it was written."""

    folder: Path
    interval: Interval
    warn: Callable[[str], None]
    _sound: list[Path] = field(default_factory=list)  # oldest first
    _last: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, task_id: str, interval: Interval, results: Results) -> "Checkpoints":
        """The checkpoints of the task with that id, written at every `interval`."""
        return cls(results.checkpoint_folder(task_id), interval, results.warn)

    def read(self) -> Checkpoint:
        """The newest sound checkpoint; the initial state if there is none."""
        found = sorted(self.folder.glob(PATTERN))
        while found:
            path = found.pop()
            try:
                checkpoint = _decode(read_sound(path), self.folder.name)
            except ValueError as error:
                instead = "the one before it is tried" if found else "the stage starts again"
                self.warn(f"{path} {error}; {instead}")
            else:
                self._sound = [path]
                return checkpoint
        return Checkpoint()

    def is_due(self, step: "Step") -> bool:
        """Whether the state after `step` is to be kept."""
        if self.interval.seconds is None:
            return step.step == step.steps
        return time.monotonic() - self._last >= self.interval.seconds

    def write(self, checkpoint: Checkpoint) -> None:
        """Writes `checkpoint` as the newest, then removes all but it and the one before.

        Raises UserError, with what is stored untouched, when the disk refuses.
        """
        steps, content = _encode(checkpoint, self.folder.name)
        path = self.folder / f"{steps:08d}-{_digest(content)}.safetensors"
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
        self._sound = [*self._sound, path][-GENERATIONS:]
        for other in self.folder.glob(PATTERN):
            if other not in self._sound:
                other.unlink(missing_ok=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Removes all checkpoints: the task's result is stored."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_sound(path: Path) -> bytes:
    """The content of a checkpoint. Raises ValueError if it is not as it was written."""
    try:
        content = read_bytes(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({explain(error, path)})") from error
    if not path.stem.endswith(f"-{_digest(content)}"):
        raise ValueError("is not as it was written")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _encode(checkpoint: Checkpoint, task: str) -> tuple[int, bytes]:
    """The steps that were done, and the content of the file of the task of that id."""
    import torch
    from safetensors.torch import save

    snapshot = checkpoint.snapshot
    assert snapshot is not None
    facts = {
        "format": FORMAT,
        "task": task,
        **vars(checkpoint),
        "snapshot": {"stage": snapshot.stage, "facts": snapshot.facts},
    }
    text = bytearray(json.dumps(facts).encode())
    content = save({**snapshot.tensors, FACTS: torch.frombuffer(text, dtype=torch.uint8)})
    return snapshot.facts["place"][2], content


def _decode(content: bytes, task: str) -> Checkpoint:
    """The content of a checkpoint file of the task with that id. Raises ValueError for any other content."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from pivl.snapshot import Snapshot

    check_task(content, task)
    try:
        tensors = load(content)
        facts = parse_json(tensors.pop(FACTS).numpy().tobytes())
        if facts.pop("format") != FORMAT:
            raise ValueError("is of another version of pivl-bench")
        facts.pop("task", None)
        return Checkpoint(**{**facts, "snapshot": Snapshot(tensors=tensors, **facts["snapshot"])})
    except (KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"cannot be continued from ({explain(error)})") from error


def check_task(content: bytes, task: str) -> None:
    """Raises ValueError if the file is a checkpoint of another task; those of earlier versions do not say of which."""
    from safetensors import SafetensorError, deserialize

    try:
        found = parse_json(bytes(dict(deserialize(content))[FACTS]["data"])).get("task", task)
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise ValueError(f"is no checkpoint ({explain(error)})") from error
    if found != task:
        raise ValueError(f"is of {found}, swapped or copied here")
