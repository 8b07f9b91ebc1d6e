"""The command `pivl-bench run`: trains and scores what a study still lacks, then prints its table."""

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.options import (
    check_interval,
    device_options,
    experiment_options,
    parse_jobs,
)
from harness.system.process import take_termination_as_interrupt
from pivl.errors import UserError


@click.command()
@experiment_options
@device_options
@click.option("--launcher", type=click.Choice(["local", "dask"]), default="local", show_default=True,
              help="Run on this machine, or on a Dask cluster.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="The cluster's, as tcp://host:8786; without it dask uses this "
              "machine.")  # fmt: skip
@click.option("--gpus-per-run", type=click.IntRange(1, 64), default=1, show_default=True, metavar="K",
              help="Train each run by K processes, one per GPU, or per core of a CPU.")  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Do failed runs again.")
@click.option("--checkpoint-every", default="auto", show_default=True, metavar="MINUTES",
              help="How often a run stores where it stands, or epoch; auto: 10, and epoch for synthped.")  # fmt: skip
@click.option("--no-mlflow", is_flag=True, help="Leave MLflow alone.")
@click.option("--quiet", is_flag=True, help="No progress; only warnings and the table.")
def run(
    results: Path, device: str, jobs: str, launcher: str, scheduler: str | None, gpus_per_run: int, retry_failed: bool,
    checkpoint_every: str, no_mlflow: bool, quiet: bool, **typed: Any,
) -> None:  # fmt: skip
    """Train and score what STUDY still lacks, then print its table.

    STUDY is ablation (the paper's Table 3), controls, comparison (2), parsers (4), transfer (5), or all: several tables,
    with what they share trained once. Stop with Ctrl-C whenever you like: the same command goes on with what is
    missing. Try --preset smoke first. For pictures on disk, name --dataset, --data-root, --part-maps, --backbone and
    --weights.
    """
    from harness import api
    from harness.cli.answer import show_answer
    from harness.display.progress import Progress
    from harness.experiment.precision import resolve_precision
    from harness.experiment.request import Request
    from harness.experiment.resolve import resolve_all
    from harness.launch import launcher as launcher_module
    from harness.plan import preparation
    from harness.store.records import Results
    from harness.tracking import refresh

    take_termination_as_interrupt()
    progress = Progress.on_stderr(quiet)
    store = Results(results, progress.warn)
    experiments = resolve_all(resolve_precision(Request(**typed, device=device), store))
    if scheduler is not None and launcher != "dask":
        raise UserError("--scheduler names a Dask cluster; say --launcher dask with it")
    every = check_interval(checkpoint_every)
    options = launcher_module.Options(
        device, parse_jobs(jobs), retry_failed, every, gpus_per_run, launcher, scheduler, not no_mlflow
    )
    store.prepare()
    api.answer(experiments, store, progress, options)
    complete = True
    for number, experiment in enumerate(experiments):
        click.echo("\n" * (number > 0), nl=False)
        complete &= show_answer(experiment, store, progress)
    if options.mlflow and any(map(preparation.is_shown, experiments)):
        refresh.show({experiment.name for experiment in experiments}, store, progress)
    if not complete:
        sys.exit(1)
