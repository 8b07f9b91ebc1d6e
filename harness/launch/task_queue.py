"""The task queue shared by all launchers: dependency order, tasks owned by other commands, failures.

A task begins when what it needs is stored and no other command has it; those that another has are done last, or
not at all where their results appear meanwhile. A failure costs the task at hand and what needs it; the others go on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.display.progress import Progress
from harness.display.text import abbreviate_scores, abbreviate_step, describe_scores, describe_step, duration
from harness.plan.task import Task
from harness.store.claims import Owner
from harness.store.records import Failed, Results
from pivl.errors import UserError

POLL = 1.0  # seconds after which a launcher with nothing to hear looks again at what other commands have done

ELSEWHERE = "done by another command"

State = Literal["waiting", "at work", "done", "failed"]


@dataclass
class TaskQueue:
    """The state of each of `tasks`, in their order."""

    tasks: Sequence[Task]
    results: Results
    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)
    _state: dict[str, State] = field(default_factory=dict)
    _before: dict[str, Failed | None] = field(default_factory=dict)
    _told: dict[str, Owner] = field(default_factory=dict)
    _later: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._state = {task.id: "waiting" for task in self.tasks}
        self._before = {task.id: self._failure(task) for task in self.tasks}
        self.progress.lay_out({task.name: (task.title, task.run.seed) for task in self.tasks})

    @property
    def is_open(self) -> bool:
        """Whether a task is waiting or running, here or in another command."""
        return any(state in ("waiting", "at work") for state in self._state.values())

    def begin(self) -> Task | None:
        """The next task that can begin, which the caller now gives to a worker; None if there is none now."""
        for task in self.tasks:
            if self._state[task.id] == "waiting" and self._may_begin(task):
                self._state[task.id] = "at work"
                self.progress.update(task.name, "starting")
                return task
        return None

    def handle_event(self, task: Task, event: Mapping[str, Any]) -> bool:
        """Takes an event of the worker at `task`; return whether the worker is free now. UserError ends the command."""
        match event["event"]:
            case "step":
                self.progress.update(task.name, describe_step(event, task.row), *abbreviate_step(event))
            case "phase":
                self.progress.update(task.name, event["phase"])
            case "resumed":
                at = f"epoch {event['epoch']}, step {event['step']}"
                self.progress.note(f"{task.name}: continues from its checkpoint after {at}")
            case "warning":
                self.progress.warn(event["message"])
            case "user-error":
                raise UserError(event["message"])
            case "failed":
                self._fail(task, event["error"])
            case "done":
                tried = task.run.limit_steps is not None  # scores of a few steps are none
                metrics = {} if tried else event["metrics"]
                summary = describe_scores(metrics) or (
                    "test run finished" if tried and task.is_run else "stored"
                )
                took = f"{summary} in {duration(event['seconds'])}"
                self._finish(task, took, *abbreviate_scores(metrics))
            case "found":
                self._finish(task, ELSEWHERE)
            case "owned":
                self.requeue(task)
            case "lost":
                self.worker_died(task, event["error"], event["lines"])
        return self._state[task.id] != "at work"

    def requeue(self, task: Task) -> None:
        """Requeues `task`, which has not run to its end."""
        self._state[task.id] = "waiting"
        self._later[task.id] = time.monotonic() + POLL
        self.progress.wait(task.name)

    def worker_died(self, task: Task, error: str, lines: Sequence[str]) -> None:
        """Records that the worker at `task` ended by itself, unless another command has the task by now."""
        if self._record(task, error, lines):
            self._fail(task, error)
        else:
            self.requeue(task)

    def close(self) -> None:
        """Removes temporary files of ended workers, once no worker is left."""
        self.results.sweep()
        self.progress.close()

    def _may_begin(self, task: Task) -> bool:
        if any(self._state[need] != "done" for need in task.needs if need in self._state):
            return False
        if self._later.get(task.id, 0.0) > time.monotonic():
            return False
        owner = self.results.claims.owner(task.id)
        if owner is not None:
            if self._told.get(task.id) != owner:
                self._told[task.id] = owner
                self.progress.note(f"{task.name}: left to {owner}")
                self.progress.wait(task.name, "elsewhere")
            return False
        failure = self._failure(task)
        if failure is not None and failure != self._before[task.id]:
            self._fail(task, failure.error)
            return False
        if task.is_stored(self.results):
            self._finish(task, ELSEWHERE)
            return False
        return True

    def _failure(self, task: Task) -> Failed | None:
        found = self.results.read_run(task.id) if task.is_run else None
        return found if isinstance(found, Failed) else None

    def _finish(self, task: Task, text: str, *shorter: str) -> None:
        self._state[task.id] = "done"
        runs = [self._state[one.id] for one in self.tasks if one.is_run]
        count = f" ({runs.count('done')} of {len(runs)} runs)" if task.is_run else ""
        self.progress.finish(task.name, f"{text}{count}", "done", *shorter)

    def _fail(self, task: Task, error: str) -> None:
        """Marks `task` as failed, and records the failure of the tasks that depend on it."""
        self._state[task.id] = "failed"
        self.failed[task.id] = error
        self.progress.finish(task.name, f"failed: {error}", "failed")
        reason = error if task.is_run else f"{task.name}: {error}"
        for other in self.tasks:
            if task.id in other.needs and self._state[other.id] == "waiting":
                self._record(other, reason, ())
                self._fail(other, reason)

    def _record(self, task: Task, error: str, lines: Sequence[str]) -> bool:
        """Records the failure of a run; False if another command has it by now, whose word counts."""
        claim = self.results.claims.take(task.id)
        if isinstance(claim, Owner):
            return False
        with claim:
            if task.is_run and not task.is_stored(self.results):
                self.results.write_failure(task.run, error, lines)
        return True
