"""Worker processes of one program: started up to a limit, lent GPUs, heard, buried, and ended with the pool."""

import queue
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from harness.system.devices import default_jobs
from harness.system.gpus import Gpus, visible_gpus
from harness.system.worker_process import Event, WorkerProcess

LOOK = 0.02  # seconds between looks whether processes have ended that were asked to


def execution(results: Path, device: str) -> tuple[str, ...]:
    """The program that does tasks, with its arguments."""
    return ("harness.execution.worker", "--results", str(results), "--device", device)


@dataclass
class WorkerPool:
    """At most `jobs` processes of `program`; None: as many as suit the device, which the first of them finds.

    gpus: from which each process is lent `gpus_per_worker`; None: those of this machine. patience: seconds that
    processes have, when the pool ends, to put away what they have begun; then they are killed.
    """

    program: tuple[str, ...]
    device: str
    jobs: int | None = None
    gpus_per_worker: int = 1
    patience: float = 0.0
    gpus: Gpus | None = None
    workers: list[WorkerProcess] = field(default_factory=list)
    _suitable: int = 1
    _lender: Gpus = field(default_factory=lambda: Gpus([]))
    _events: "queue.Queue[tuple[WorkerProcess, Event | None]]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        here = [] if self.device in ("cpu", "mps") else visible_gpus() if self.gpus is None else []
        self._lender = self.gpus or Gpus(here)
        self._suitable = max(1, default_jobs(self.device) // self.gpus_per_worker)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def has_room(self) -> bool:
        """Whether fewer processes run than may."""
        return len(self.workers) < (self.jobs or self._suitable)

    def start(self) -> WorkerProcess:
        """Starts one more process, on the GPUs that are lent least often, and returns it."""
        gpus = self._lender.borrow(self.gpus_per_worker)
        self.workers.append(WorkerProcess.start(self.program, lambda *said: self._events.put(said), gpus))
        return self.workers[-1]

    def next_event(self, timeout: float | None = None) -> tuple[WorkerProcess, Event] | None:
        """Returns the next event and its process, or None after `timeout` seconds without any.

        A process that ended by itself gives `lost`, with its status, error and last lines, and is buried.
        Raises UserError for one that did so before it was ready.
        """
        try:
            worker, event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if event is None:
            return worker, self._bury(worker)
        if event["event"] == "ready":
            gpus = len(self._lender.all) if event["device"] == "cuda" else 0
            self._suitable = max(1, (gpus or int(event["slots"])) // self.gpus_per_worker)
        return worker, event

    def end(self) -> None:
        """Ends all processes; what they had stored is whole."""
        if self.patience:
            for worker in self.workers:
                worker.process.terminate()
            end = time.monotonic() + self.patience
            while any(one.process.poll() is None for one in self.workers) and time.monotonic() < end:
                time.sleep(LOOK)
        while self.workers:
            worker = self.workers.pop()
            self._lender.give_back(worker.gpus)
            worker.end()

    def _bury(self, worker: WorkerProcess) -> Event:
        self.workers.remove(worker)
        self._lender.give_back(worker.gpus)
        try:
            error, lines = worker.post_mortem()
        finally:
            worker.end()
        status = worker.process.returncode
        return {"event": "lost", "status": status, "error": error, "lines": list(lines)}
