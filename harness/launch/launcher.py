"""Launches a plan's tasks on this machine or on a Dask cluster, with the options that change no result."""

from dataclasses import dataclass, replace

from harness.display.progress import Progress
from harness.plan.planner import Plan
from harness.store.records import Results


@dataclass(frozen=True)
class Options:
    """How runs are done; nothing of it changes a result.

    jobs: None for what suits the device. scheduler: that of a Dask cluster; None with launcher dask: one of its own.
    mlflow: whether its database is made before they begin.
    """

    device: str = "auto"
    jobs: int | None = None
    retry_failed: bool = False
    checkpoint_every: str = "auto"
    gpus_per_run: int = 1
    launcher: str = "local"
    scheduler: str | None = None
    mlflow: bool = True


def launch(plan: Plan, results: Results, progress: Progress, options: Options) -> None:
    """Do the tasks of a plan on this machine, or on a Dask cluster."""
    from harness.launch.task_queue import TaskQueue

    every, ranks = options.checkpoint_every, options.gpus_per_run
    tasks = [replace(task, checkpoint_every=every, ranks=ranks) for task in plan.tasks]
    task_queue = TaskQueue(tasks, results, progress)
    if options.launcher == "dask":
        from harness.launch.dask_cluster import DaskLauncher

        DaskLauncher(task_queue, options.device, options.jobs, options.gpus_per_run, options.scheduler).run()
    else:
        from harness.launch.local import LocalLauncher

        LocalLauncher(task_queue, options.device, options.jobs, options.gpus_per_run).run()
