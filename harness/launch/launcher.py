"""Launches a plan's tasks on this machine or on a Dask cluster."""

from dataclasses import replace

from harness.display.progress import Progress
from harness.launch.options import Options
from harness.plan.planner import Plan
from harness.store.records import Results


def launch(plan: Plan, results: Results, progress: Progress, options: Options) -> None:
    """Runs the tasks of a plan on this machine or on a Dask cluster."""
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
