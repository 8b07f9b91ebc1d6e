"""A child process that takes JSON lines on standard input and gives events, JSON lines on standard output.

All child processes speak this protocol: workers of launchers and searches, other ranks of a task,
what perf starts, and the process in which a Dask worker does a task.
"""

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from harness.system.process import worker_environment
from pivl.errors import UserError

LAST_LINES = 20

Event = dict[str, Any]
NONE: Mapping[str, str] = {}


class ProcessFailed(Exception):
    """A child process ended with another status than 0: its last line, or how it ended; `lines` has the last ones."""

    def __init__(self, how: str, lines: Sequence[str]) -> None:
        super().__init__(lines[-1] if lines else how)
        self.lines = lines


@dataclass(eq=False)
class WorkerProcess:
    """The process, the file that takes its stderr, its GPUs, and whether it has said that it is ready."""

    program: str
    process: subprocess.Popen[str]
    stderr: IO[bytes]
    gpus: tuple[str, ...] = ()
    ready: bool = False
    listener: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    def start(
        cls,
        program: Sequence[str],
        put: Callable[["WorkerProcess", Event | None], object],
        gpus: Sequence[str] = (),
        variables: Mapping[str, str] = NONE,
    ) -> "WorkerProcess":
        """Starts `python -m PROGRAM`, to see `gpus` or what this process sees; `put` gets its events, at its end None.

        On a CPU it computes with one thread, however many others there are, so that results do not depend on that.
        """
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process; end() closes it)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.system.start", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**worker_environment(gpus), **variables},
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which then ends its workers
        )
        worker = cls(program[0], process, stderr, tuple(gpus))

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                worker.ready = worker.ready or event["event"] == "ready"
                put(worker, event)
            put(worker, None)

        worker.listener = threading.Thread(target=listen, daemon=True)
        worker.listener.start()
        return worker

    @classmethod
    def ask(cls, program: Sequence[str], value: Mapping[str, Any]) -> Iterator[Event]:
        """Runs `program` for `value` alone and yield its events. Raises ProcessFailed unless it ends with status 0."""
        events = queue.SimpleQueue[Event | None]()
        worker = cls.start(program, lambda _, event: events.put(event))
        try:
            worker.submit(value)
            while (event := events.get()) is not None:
                yield event
            if worker.process.wait() != 0:
                raise ProcessFailed(worker.ending(), worker.last_lines())
        finally:
            worker.end()

    def submit(self, value: Mapping[str, Any]) -> None:
        """Writes `value` to the process as a line of JSON; one that has died gets nothing, and its end is an event."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(value) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Kills the process; what it had stored is whole."""
        self.process.kill()
        self.process.wait()
        self.listener.join()  # it reads to the end of what the process wrote
        for pipe in (self.process.stdin, self.process.stdout, self.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def ending(self) -> str:
        """Waits for the process and returns its ending: `was killed by SIGKILL`, `ended with status 1`."""
        code = self.process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return how + ", perhaps for want of memory" if code == -signal.SIGKILL else how

    def last_lines(self) -> tuple[str, ...]:
        """The last lines that the process wrote on stderr."""
        self.stderr.seek(0)
        return tuple(self.stderr.read().decode(errors="replace").rstrip().splitlines()[-LAST_LINES:])

    def post_mortem(self) -> tuple[str, tuple[str, ...]]:
        """The exit of a process that ended by itself, with its last lines.

        Raises UserError if it never became ready.
        """
        how, lines = self.ending(), self.last_lines()
        if not self.ready:
            last = lines[-1] if lines else how
            raise UserError(f"the worker process does not start: {last}; see python -m {self.program}")
        return f"its process {how}", lines
