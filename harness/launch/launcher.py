"""Chooses the launcher of a plan's tasks: this machine or a Dask cluster."""

from dataclasses import replace
from typing import Protocol

from harness.display.progress import Progress
from harness.launch.options import Options
from harness.plan.planner import Plan
from harness.store.records import Results


class Launcher(Protocol):
    """Has the tasks of a queue."""

    def run(self) -> None:
        """Runs all of them; on return or error nothing goes on."""


def make_launcher(plan: Plan, results: Results, progress: Progress, options: Options) -> Launcher:
    """Returns the launcher of a plan's tasks that `options` name."""
    from harness.launch.task_queue import TaskQueue

    every, ranks = options.checkpoint_every, options.gpus_per_run
    tasks = [replace(task, checkpoint_every=every, ranks=ranks) for task in plan.tasks]
    task_queue = TaskQueue(tasks, results, progress)
    if options.launcher == "dask":
        from harness.launch.dask_cluster import DaskLauncher

        return DaskLauncher(task_queue, options.device, options.jobs, ranks, options.scheduler)
    from harness.launch.local import LocalLauncher

    return LocalLauncher(task_queue, options.device, options.jobs, ranks)
