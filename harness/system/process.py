"""Sets up a process that computes: threads, memory, float32 products, environment."""

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.system.gpus import VARIABLE

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 2**31 - 1  # bytes of free memory that are not returned, the most that glibc takes
LARGEST = 2**25  # bytes; larger requests are served by the system, the most that glibc allows


def keep_memory() -> None:
    """Makes this process keep freed memory, unless the user has set glibc's tunables."""
    if "GLIBC_TUNABLES" not in os.environ:
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(TRIM, KEPT)
            set_option(MMAP, LARGEST)


def setup_process() -> None:
    """Makes this process one that computes: with one thread on a CPU, in memory that it keeps, and without TF32."""
    import torch

    torch.set_num_threads(1)
    keep_memory()
    forbid_tf32()


def forbid_tf32() -> None:
    """Disables TF32: in mixed precision only losses and scores are float32."""
    import torch

    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def allows_tf32() -> bool:
    """Whether a GPU may round the products or convolutions of float32 to TF32 here."""
    import torch

    return torch.get_float32_matmul_precision() != "highest" or torch.backends.cudnn.allow_tf32


THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def worker_environment(gpus: Sequence[str] = ()) -> dict[str, str]:
    """The environment of a process that computes: one thread, and `gpus` where some are named."""
    seen = {VARIABLE: ",".join(gpus)} if gpus else {}
    path = {"PYTHONPATH": os.pathsep.join(import_path())}
    return {**os.environ, **dict.fromkeys(THREADS, "1"), **seen, **path}


def when_input_ends(act: Callable[[], object]) -> None:
    """Calls `act` once standard input ends, since the parent process is gone then, even if killed."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


def take_stdout() -> Callable[[Mapping[str, Any]], None]:
    """Keeps standard output for events, which the function returned sends; whatever else prints goes to stderr."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def send(event: Mapping[str, Any]) -> None:
        channel.write(json.dumps(event) + "\n")

    return send


def take_termination_as_interrupt() -> None:
    """Lets SIGTERM end this process like Ctrl-C: workers are ended, and what is at hand is put back."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def import_path() -> list[str]:
    """The import path of this copy of the packages, for workers started from any folder."""
    earlier = os.environ.get("PYTHONPATH")
    return [str(Path(__file__).parents[2]), *([earlier] if earlier else [])]
