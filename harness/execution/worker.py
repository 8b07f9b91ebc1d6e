"""The worker process: `python -m harness.execution.worker TASK.json` for one task, or a task a line on stdin.

It writes stages and finished runs to the results folder and tells what goes on as JSON lines on standard output.
Loading torch takes seconds, so the launcher lets a process take task after task; a crash costs only the task at
hand. The process ends when its input does, at once: then the launcher that gave it tasks is gone.
"""

import argparse
import json
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harness.execution.distributed import join_by_environment
from harness.execution.task_runner import attempt
from harness.execution.training import follow
from harness.execution.training_log import ignore
from harness.plan.task import Task
from harness.store.claims import Claims
from harness.store.records import Results
from harness.system.devices import choose_device, suitable_slots
from harness.system.process import setup_process, take_stdout
from pivl.data.listing import keep_listings
from pivl.errors import UserError
from pivl.system import data_parallel


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs as a process of its own; 0 when every task ended well, 1 when one failed.

    2 for a user's mistake, which would fail every task.
    """
    parser = argparse.ArgumentParser(prog="python -m harness.execution.worker", description=__doc__)
    parser.add_argument("task", nargs="?", type=Path, help="a file with one task; standard input without it")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args(arguments)
    send = take_stdout()
    if os.environ.get("RANK", "0") != "0":
        send = ignore
    results = Results(asked.results, lambda text: send({"event": "warning", "message": text}))
    try:
        device = choose_device(asked.device)
        send({"event": "ready", "device": device.type, "slots": suitable_slots(device)})
        setup_process()
        lines = [asked.task.read_text()] if asked.task else hear_launcher(results.claims)
        tasks = (Task.from_json(json.loads(line)) for line in lines)
        join_by_environment(device)
        with keep_listings():
            if data_parallel.number() > 0:
                follow(tasks, results, device)
                return 0
            status = 0
            for event in map(partial(attempt, results=results, device=device, send=send), tasks):
                send(event)
                status = 1 if event["event"] == "failed" else status
            return status
    except UserError as error:
        send({"event": "user-error", "message": str(error)})
        return 2
    except BrokenPipeError:
        return 1  # nobody listens any more: the launcher is gone


def hear_launcher(claims: Claims) -> Iterator[str]:
    """The lines of standard input. At its end the launcher is gone, and this process with it, whatever it is at."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        claims.leave()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield lines.get()


if __name__ == "__main__":
    sys.exit(main())
