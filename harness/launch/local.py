"""The local launcher: worker processes on this machine, one per GPU, or as many as suit its cores."""

import queue
from dataclasses import dataclass, field

from harness.launch.task_queue import POLL, TaskQueue
from harness.launch.worker_process import Event, Worker, execution
from harness.system.devices import default_jobs
from harness.system.gpus import Gpus, visible_gpus


@dataclass
class LocalLauncher:
    """Does what is on the agenda with at most `jobs` workers; None: as many as the device suits."""

    agenda: TaskQueue
    device: str
    jobs: int | None = None
    gpus_per_run: int = 1
    _workers: list[Worker] = field(default_factory=list)
    _events: "queue.Queue[tuple[Worker, Event | None]]" = field(default_factory=queue.Queue)
    _gpus: Gpus = field(default_factory=lambda: Gpus([]))

    def run(self) -> None:
        """Do all tasks. Workers are gone when this returns or raises, and so is what killed ones left."""
        self._gpus = Gpus([] if self.device in ("cpu", "mps") else visible_gpus())
        limit = self.jobs or max(1, default_jobs(self.device) // self.gpus_per_run)
        try:
            while self.agenda.is_open:
                self._hand_out(limit)
                try:
                    worker, event = self._events.get(timeout=POLL)
                except queue.Empty:
                    continue
                if event is None:
                    self._bury(worker)
                elif event["event"] == "ready":
                    worker.ready = True
                    limit = self.jobs or self._suitable(event)
                else:
                    assert worker.task is not None
                    if self.agenda.hear(worker.task, event):
                        worker.task = None
        finally:
            for worker in self._workers:
                worker.end()
            self.agenda.close()

    def _suitable(self, ready: Event) -> int:
        """How many workers suit the device that a worker found."""
        gpus = len(self._gpus.all) if ready["device"] == "cuda" else 0
        return max(1, (gpus or int(ready["slots"])) // self.gpus_per_run)

    def _hand_out(self, limit: int) -> None:
        """Give tasks that can begin to idle workers, starting workers up to `limit`."""
        while True:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) >= limit:
                return
            task = self.agenda.begin()
            if task is None:
                return
            if idle is None:
                gpus = self._gpus.borrow(self.gpus_per_run)
                program = execution(self.agenda.results.root, self.device)
                idle = Worker.start(program, lambda *said: self._events.put(said), gpus)
                self._workers.append(idle)
            idle.give(task)

    def _bury(self, worker: Worker) -> None:
        """A worker has ended by itself: a failure of its task, or of the installation where it never got ready."""
        self._workers.remove(worker)
        self._gpus.give_back(worker.gpus)
        try:
            how, lines = worker.post_mortem()
        finally:
            worker.end()
        if worker.task is not None:
            self.agenda.lose(worker.task, how, lines)
