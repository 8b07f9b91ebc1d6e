"""One process of harness.execution.worker, as launchers hold it: tasks go in, events come out."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness.plan.task import Task
from harness.system.process import worker_environment
from pivl.errors import UserError

LAST_LINES = 20

Event = dict[str, Any]


def execution(results: Path, device: str) -> tuple[str, ...]:
    """The program that does tasks, with its arguments."""
    return ("harness.execution.worker", "--results", str(results), "--device", device)


@dataclass
class Worker:
    """The process, the file that takes what it says on stderr, the GPUs it was given, and the task it is at."""

    process: subprocess.Popen[str]
    stderr: IO[bytes]
    gpus: tuple[str, ...] = ()
    task: Task | None = None
    ready: bool = False
    listener: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    def start(
        cls,
        program: Sequence[str],
        put: Callable[["Worker", Event | None], object],
        gpus: Sequence[str] = (),
    ) -> "Worker":
        """Start `python -m PROGRAM`, to see `gpus` or what this process sees; `put` gets its events, at its end None.

        On a CPU it computes with one thread, however many others there are, so that results do not depend on that.
        """
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process; end() closes it)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.system.start", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=worker_environment(gpus),
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which then ends its workers
        )
        worker = cls(process, stderr, tuple(gpus))

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                put(worker, json.loads(line))
            put(worker, None)

        worker.listener = threading.Thread(target=listen, daemon=True)
        worker.listener.start()
        return worker

    def give(self, task: Task) -> None:
        """Let the process begin `task`."""
        self.task = task
        assert self.process.stdin is not None
        with suppress(
            BrokenPipeError
        ):  # it has just died; its end arrives as an event, the task still in its hands
            self.process.stdin.write(json.dumps(task.to_json()) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Kill the process; what it had stored is whole."""
        self.process.kill()
        self.process.wait()
        self.listener.join()  # it reads to the end of what the process wrote
        for pipe in (self.process.stdin, self.process.stdout, self.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def post_mortem(self) -> tuple[str, tuple[str, ...]]:
        """How a process ended that ended by itself, and its last lines; UserError if it never even got ready."""
        code = self.process.wait()
        self.stderr.seek(0)
        lines = tuple(self.stderr.read().decode(errors="replace").splitlines()[-LAST_LINES:])
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if code == -signal.SIGKILL:
            how += ", perhaps for want of memory"
        if not self.ready:
            last = lines[-1] if lines else how
            raise UserError(
                f"the worker process does not start: {last}; see python -m harness.execution.worker"
            )
        return f"its process {how}", lines
