"""The local launcher: worker processes on this machine, one per GPU, or as many as suit its cores."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.launch.task_queue import POLL, TaskQueue
from harness.launch.worker_pool import WorkerPool, execution
from harness.plan.task import Task
from harness.system.worker_process import Event, WorkerProcess


@dataclass
class LocalLauncher:
    """Does the tasks of a queue with at most `jobs` workers; None: as many as the device suits."""

    task_queue: TaskQueue
    device: str
    jobs: int | None = None
    gpus_per_run: int = 1
    _running: dict[WorkerProcess, Task] = field(default_factory=dict)

    def run(self) -> None:
        """Runs all tasks; on return or error no worker is left, nor temporary files of killed ones."""
        program = execution(self.task_queue.results.root, self.device)
        try:
            with WorkerPool(program, self.device, self.jobs, self.gpus_per_run) as pool:
                while self.task_queue.is_open:
                    for worker, task in self._assign(pool):
                        worker.submit(task.to_json())
                    if (found := pool.next_event(POLL)) is not None:
                        self._handle(*found)
        finally:
            self.task_queue.close()

    def _assign(self, pool: WorkerPool) -> Iterator[tuple[WorkerProcess, Task]]:
        """Yields idle workers with tasks that can begin, starting workers up to the limit."""
        while True:
            idle = next((worker for worker in pool.workers if worker not in self._running), None)
            if idle is None and not pool.has_room:
                return
            task = self.task_queue.begin()
            if task is None:
                return
            worker = idle or pool.start()
            self._running[worker] = task
            yield worker, task

    def _handle(self, worker: WorkerProcess, event: Event) -> None:
        task = self._running.get(worker)
        if task is not None and self.task_queue.handle_event(task, event):
            del self._running[worker]
