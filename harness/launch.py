"""The local launcher: a queue of tasks over a few worker processes on this machine.

Tasks start when what they need is stored. A worker that dies costs the task at hand, which is recorded as failed
with the process's last lines; the others go on. On a CPU every worker computes with one thread, however many
there are, so that results do not depend on --jobs.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness.plan import Task
from harness.progress import Progress, describe_step, duration
from harness.records import Results
from pivl.errors import UserError

LAST_LINES = 20
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Event = dict[str, Any]


@dataclass
class Worker:
    """A process of harness.execute, the task it is at, and the file that takes what it says on stderr."""

    process: subprocess.Popen[str]
    stderr: IO[bytes]
    task: Task | None = None
    ready: bool = False
    listener: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    def start(
        cls, results: Results, device: str, events: "queue.Queue[tuple[Worker, Event | None]]"
    ) -> "Worker":
        """Start a process whose events, and at its end None, are put into `events`."""
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process; end() closes it)
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "harness.execute",
                "--results",
                str(results.root),
                "--device",
                device,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": os.pathsep.join(_import_path())},
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which then ends its workers
        )
        worker = cls(process, stderr)

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                events.put((worker, json.loads(line)))
            events.put((worker, None))

        worker.listener = threading.Thread(target=listen, daemon=True)
        worker.listener.start()
        return worker

    def give(self, task: Task) -> None:
        """Let the process begin `task`."""
        self.task = task
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(task.to_json()) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has just died; its end arrives as an event, with the task still in its hands

    def last_lines(self) -> tuple[str, ...]:
        """The end of what the process said on stderr."""
        self.stderr.seek(0)
        return tuple(self.stderr.read().decode(errors="replace").splitlines()[-LAST_LINES:])

    def end(self) -> None:
        """Kill the process; what it had stored is whole."""
        self.process.kill()
        self.process.wait()
        self.listener.join()  # it reads to the end of what the process wrote
        for pipe in (self.process.stdin, self.process.stdout, self.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


@dataclass
class Launcher:
    """Does `tasks` with at most `jobs` workers (None: as many as the device suits) and fills `failed`."""

    tasks: Sequence[Task]
    results: Results
    device: str
    jobs: int | None
    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _workers: list[Worker] = field(default_factory=list)
    _events: "queue.Queue[tuple[Worker, Event | None]]" = field(default_factory=queue.Queue)

    def run(self) -> dict[str, str]:
        """Do all tasks; the failed ids with the reason. Workers are gone when this returns or raises."""
        waiting = list(self.tasks)
        limit = self.jobs or 1  # until the first worker has said what device it is
        try:
            while waiting or any(worker.task for worker in self._workers):
                waiting = self._hand_out(waiting, limit)
                worker, event = self._events.get()
                if event is None:
                    self._lost(worker)
                elif event["event"] == "ready":
                    worker.ready = True
                    limit = self.jobs or event["slots"]
                else:
                    self._hear(worker, event)
                waiting = self._drop_orphans(waiting)
        finally:
            for worker in self._workers:
                worker.end()
            self.progress.close()
        return self.failed

    def _hand_out(self, waiting: list[Task], limit: int) -> list[Task]:
        """Give tasks that can begin to idle workers, starting workers up to `limit`; what still waits."""
        still = []
        for task in waiting:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if set(task.needs) - self._done or (idle is None and len(self._workers) >= limit):
                still.append(task)
                continue
            if idle is None:
                idle = Worker.start(self.results, self.device, self._events)
                self._workers.append(idle)
            idle.give(task)
            self.progress.update(task.name, "starting")
        return still

    def _hear(self, worker: Worker, event: Event) -> None:
        task = worker.task
        assert task is not None
        match event["event"]:
            case "step":
                self.progress.update(task.name, describe_step(event))
            case "phase":
                self.progress.update(task.name, event["phase"])
            case "warning":
                self.progress.warn(event["message"])
            case "user-error":
                raise UserError(event["message"])
            case "failed":
                worker.task = None
                self._record_failure(task, event["error"], tuple(event["lines"]))
            case "done":
                worker.task = None
                self._done.add(task.id)
                count = self._count() if task.is_run else ""
                self.progress.finish(task.name, f"{event['summary']} in {duration(event['seconds'])}{count}")

    def _lost(self, worker: Worker) -> None:
        """A worker has ended by itself: a failure of its task, or of the installation where it never got ready."""
        code, lines = worker.process.wait(), worker.last_lines()
        self._workers.remove(worker)
        worker.end()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if code == -signal.SIGKILL:
            how += ", perhaps for want of memory"
        if not worker.ready:
            last = lines[-1] if lines else how
            raise UserError(f"the worker process does not start: {last}; see python -m harness.execute")
        if worker.task is not None:
            self._record_failure(worker.task, f"its process {how}", lines)

    def _record_failure(self, task: Task, error: str, lines: tuple[str, ...]) -> None:
        self.failed[task.id] = error if task.is_run else f"{task.name}: {error}"
        self.progress.finish(task.name, f"failed: {error}")
        if task.is_run:
            record = {
                "id": task.id,
                "status": "failed",
                "seed": task.run.seed,
                "error": error,
                "lines": list(lines),
            }
            self.results.write(self.results.run_folder(task.id), record, {})

    def _drop_orphans(self, waiting: list[Task]) -> list[Task]:
        """Record as failed what needs a task that failed; what still waits."""
        still = []
        for task in waiting:
            reason = next((self.failed[need] for need in task.needs if need in self.failed), None)
            if reason is None:
                still.append(task)
            else:
                self._record_failure(task, reason, ())
        return still

    def _count(self) -> str:
        runs = [task.id for task in self.tasks if task.is_run]
        done = sum(run_id in self._done for run_id in runs)
        return f" ({done} of {len(runs)} runs)"


def _import_path() -> list[str]:
    """Where a worker finds this very copy of the packages, whatever folder it is started from."""
    earlier = os.environ.get("PYTHONPATH")
    return [str(Path(__file__).parents[1]), *([earlier] if earlier else [])]
