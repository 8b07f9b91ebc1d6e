"""Workers of a search: they need no guidance, as the queue of trials tells each what to do; here their events are shown.

One that dies is replaced, and its trial done by another.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.display.progress import Progress
from harness.display.text import describe_step, duration
from harness.launch.worker_pool import WorkerPool
from harness.system.worker_process import Event
from pivl.errors import UserError

DEATHS = 10  # of workers, after which none is started any more
FAREWELL = 4.0  # seconds that workers have to put their trials back; then they are killed


@dataclass
class TrialWorkers:
    """At most `jobs` workers (None: as many as suit the device) that do `work`, as long as trials are `remaining`."""

    work: dict[str, Any]
    jobs: int | None
    progress: Progress
    remaining: Callable[[], int]
    _left: int = 0
    _deaths: int = 0

    def run(self) -> None:
        """Runs workers until no trial is left; none is alive when this returns or raises."""
        self._left = self.remaining()
        with tempfile.TemporaryDirectory(prefix="pivl-search-") as folder:
            path = Path(folder) / "work.json"
            path.touch(mode=0o600)  # a database's address may hold a password
            path.write_text(json.dumps(self.work))
            program = ("harness.search.worker", str(path))
            try:
                with WorkerPool(program, self.work["device"], self.jobs, patience=FAREWELL) as pool:
                    self._fill(pool)
                    while pool.workers:
                        if (found := pool.next_event()) is not None:
                            self._handle(found[1], pool)
            finally:
                self.progress.close()

    def _fill(self, pool: WorkerPool) -> None:
        """Starts workers up to the limit, no more than there are trials to do."""
        while pool.has_room and len(pool.workers) < self.remaining():
            pool.start()

    def _handle(self, event: Event, pool: WorkerPool) -> None:
        name = f"trial {event['trial']}" if "trial" in event else "search"
        match event["event"]:
            case "ready":
                self._fill(pool)
            case "step":
                self.progress.update(name, describe_step(event))
            case "phase":
                self.progress.update(name, event["phase"])
            case "epoch":
                self.progress.update(name, f"epoch {event['epoch']}, mAP {event['mAP']:.1f}")
            case "warning":
                self.progress.warn(event["message"])
            case "user-error":
                raise UserError(event["message"])
            case "failed":
                self._finish(name, f"failed: {event['error']}")
            case "pruned":
                self._finish(name, f"pruned in {duration(event['seconds'])}")
            case "done":
                self._finish(name, f"mAP {event['metrics']['mAP']:.1f} in {duration(event['seconds'])}")
            case "lost":
                self._replace(event, pool)

    def _finish(self, name: str, outcome: str) -> None:
        self._left -= 1
        self.progress.finish(name, f"{outcome}, {self._left} to go" if self._left > 0 else outcome)

    def _replace(self, event: Event, pool: WorkerPool) -> None:
        """A worker has ended: because nothing is left to do, or with a trial in its hands, which another takes over."""
        if event["status"] == 0:
            return
        self._deaths += 1
        last = ", ".join([event["error"], *event["lines"][-1:]])
        if self._deaths > DEATHS:
            raise UserError(f"workers of the search stop repeatedly: {last}")
        self.progress.warn(f"a worker of the search stopped: {last}; its trial is repeated")
        if self.remaining():
            pool.start()
