"""The GPUs of this machine, lent to runs."""

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pivl.errors import UserError

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; found without loading torch."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return [gpu.strip() for gpu in chosen.split(",") if gpu.strip() not in ("", "-1")]
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


@dataclass
class Gpus:
    """GPUs that are lent to one process at a time, as long as they suffice."""

    all: list[str]
    _lent: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def borrow(self, count: int) -> list[str]:
        """The `count` GPUs that are lent least often; none where there are none. UserError if there are too few."""
        if self.all and count > len(self.all):
            raise UserError(
                f"--gpus-per-run {count}: this machine has {len(self.all)} GPUs; use as many at most"
            )
        with self._lock:
            lent = sorted(self.all, key=lambda gpu: self._lent[gpu])[:count]
            self._lent.update(lent)
        return lent

    def give_back(self, lent: Sequence[str]) -> None:
        """Returns the GPUs in `lent`."""
        with self._lock:
            self._lent.subtract(lent)

    @contextmanager
    def lend(self, count: int) -> Iterator[list[str]]:
        """`borrow`, for the length of a `with` block."""
        lent = self.borrow(count)
        try:
            yield lent
        finally:
            self.give_back(lent)
