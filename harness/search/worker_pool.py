"""The worker processes of a search: as many as are asked for, replaced where one dies, gone at the end.

They need no guidance: the queue of trials tells each what to do. Here they are started, listened to and ended.
"""

import json
import queue
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.display.progress import Progress
from harness.display.text import describe_step, duration
from harness.launch.worker_process import Event, Worker
from harness.system.gpus import Gpus, visible_gpus
from pivl.errors import UserError

DEATHS = 10  # of workers, after which none is started any more
FAREWELL = 4.0  # seconds that workers have to put their trials back; then they are killed


@dataclass
class WorkerPool:
    """At most `jobs` workers (None: as many as suit the device) that do `work`, as long as trials are `remaining`."""

    work: dict[str, Any]
    jobs: int | None
    progress: Progress
    remaining: Callable[[], int]
    _workers: list[Worker] = field(default_factory=list)
    _left: int = 0
    _deaths: int = 0
    _gpus: Gpus = field(default_factory=lambda: Gpus([]))
    _events: "queue.Queue[tuple[Worker, Event | None]]" = field(default_factory=queue.Queue)

    def run(self) -> None:
        """Return when the workers find nothing left to do; they are gone when this returns or raises."""
        self._left = self.remaining()
        self._gpus = Gpus([] if self.work["device"] in ("cpu", "mps") else visible_gpus())
        with tempfile.TemporaryDirectory(prefix="pivl-search-") as folder:
            path = Path(folder) / "work.json"
            path.touch(mode=0o600)  # a database's address may hold a password
            path.write_text(json.dumps(self.work))
            try:
                self._start(path, self.jobs or 1)
                while self._workers:
                    worker, event = self._events.get()
                    if event is None:
                        self._lost(worker, path)
                    elif event["event"] == "ready":
                        worker.ready = True
                        suitable = len(self._gpus.all) if event["device"] == "cuda" else event["slots"]
                        self._start(path, self.jobs or suitable)
                    else:
                        self._hear(event)
            finally:
                self._end()
                self.progress.close()

    def _start(self, path: Path, limit: int) -> None:
        """Start workers up to `limit`, no more than there are trials to do."""
        for _ in range(min(limit, self.remaining()) - len(self._workers)):
            program, gpus = ("harness.search.worker", str(path)), self._gpus.borrow(1)
            self._workers.append(Worker.start(program, lambda *said: self._events.put(said), gpus))

    def _hear(self, event: Event) -> None:
        name = f"trial {event['trial']}" if "trial" in event else "search"
        match event["event"]:
            case "step":
                self.progress.update(name, describe_step(event))
            case "phase":
                self.progress.update(name, event["phase"])
            case "warning":
                self.progress.warn(event["message"])
            case "user-error":
                raise UserError(event["message"])
            case "failed":
                self._ended(name, f"failed: {event['error']}")
            case "done":
                self._ended(name, f"{event['summary']} in {duration(event['seconds'])}")

    def _ended(self, name: str, outcome: str) -> None:
        self._left -= 1
        self.progress.finish(name, f"{outcome}, {self._left} to go" if self._left > 0 else outcome)

    def _lost(self, worker: Worker, path: Path) -> None:
        """A worker has ended: because nothing is left to do, or with a trial in its hands, which another takes over."""
        self._workers.remove(worker)
        self._gpus.give_back(worker.gpus)
        try:
            how, lines = worker.post_mortem()
        finally:
            worker.end()
        if worker.process.returncode != 0:
            self._deaths += 1
            last = f"{how}, {lines[-1]}" if lines else how
            if self._deaths > DEATHS:
                raise UserError(f"workers of the search die again and again: {last}")
            self.progress.warn(f"a worker of the search is gone, {last}; its trial is done again")
            self._start(path, len(self._workers) + 1)

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        end = time.monotonic() + FAREWELL
        while any(worker.process.poll() is None for worker in self._workers) and time.monotonic() < end:
            time.sleep(0.02)
        for worker in self._workers:
            worker.end()
