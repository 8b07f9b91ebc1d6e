"""Trains one task in several processes of this machine: this process is rank 0 and starts the other ranks.

They speak torchrun's protocol, the variables RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, so that
`torchrun --nproc-per-node 2 -m harness.execution.worker TASK.json` does the same. Every rank does the task up to the
end of its training; rank 0 alone says what goes on, stores checkpoints and results, and scores.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from harness.plan.task import Task
from harness.store.records import Results
from harness.system.worker_process import WorkerProcess
from pivl.errors import TrainingFailed, UserError
from pivl.system import data_parallel

HERE = "127.0.0.1"
PATIENCE = timedelta(minutes=30)  # of a rank with the others, one of which may have much to read first
POLL = 0.05  # seconds between looks at whether all ranks have come


@dataclass(frozen=True)
class Follower:
    """A rank of the task other than 0, and its process."""

    rank: int
    process: WorkerProcess

    def raise_if_ended(self, wait: float, error: Exception | None = None) -> None:
        """Raises TrainingFailed with the last stderr line if the rank ends by itself within `wait` seconds."""
        with suppress(subprocess.TimeoutExpired):
            status = self.process.process.wait(wait)
            last = (self.process.last_lines() or (f"status {status}",))[-1]
            raise TrainingFailed(f"rank {self.rank} has ended: {last}") from error


def join_by_environment(device: torch.device) -> None:
    """Becomes the rank that torchrun's variables name, where there are any."""
    if "RANK" in os.environ:
        rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(host, port, count, is_master=False, timeout=PATIENCE)
        store.add("here", 1)
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        _join(store, rank, count, device)


@contextmanager
def together(task: Task, results: Results, device: torch.device) -> Iterator[None]:
    """Runs the block as rank 0 of the task's processes; the other ranks end with the block.

    Raises TrainingFailed, with its last line, if another rank ends before.
    """
    if task.ranks == 1 or data_parallel.count() > 1:
        yield
        return
    if device.type == "mps":
        raise UserError("--gpus-per-run: this machine has one GPU; leave it out")
    pictures = task.run.recipe.batch_size("image-tower")
    if task.ranks > pictures:
        raise UserError(f"--gpus-per-run {task.ranks}: a batch has {pictures} images; use as many at most")
    with ExitStack() as ends:
        store = TCPStore(HERE, 0, task.ranks, is_master=True, timeout=PATIENCE, wait_for_workers=False)
        others = [
            ends.enter_context(_follower(rank, store.port, task, results, device))
            for rank in range(1, task.ranks)
        ]
        while store.add("here", 0) < len(others):
            for other in others:
                other.raise_if_ended(POLL)
        _join(store, 0, task.ranks, device)
        ends.callback(distributed.destroy_process_group)
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # such as a collective's whose other side is gone
            for other in others:
                other.raise_if_ended(5.0, error)
            raise


def _join(store: TCPStore, rank: int, count: int, device: torch.device) -> None:
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)


@contextmanager
def _follower(rank: int, port: int, task: Task, results: Results, device: torch.device) -> Iterator[Follower]:
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": task.ranks,
        "MASTER_ADDR": HERE,
        "MASTER_PORT": port,
    }
    program = ("harness.execution.worker", "--results", str(results.root), "--device", device.type)
    variables = {name: str(value) for name, value in place.items()}
    process = WorkerProcess.start(program, lambda *_: None, variables=variables)
    try:
        process.submit(task.to_json())
        yield Follower(rank, process)
    finally:
        process.end()
