"""The command `pivl-bench run`: trains and scores what a study still lacks, then prints its table."""

import sys
from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    Interval,
    collect,
    quiet_option,
    redo_option,
    setting_options,
    study_argument,
    training_options,
)
from harness.experiment.request import Request
from harness.launch.options import Options


@collect(request=Request, options=Options)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@redo_option
@training_options
@click.option("--launcher", type=click.Choice(["local", "dask"]), default="local", show_default=True,
              help="Run on this machine, or on a Dask cluster.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="The cluster's, as tcp://host:8786; without it dask uses this "
              "machine.")  # fmt: skip
@click.option("--gpus-per-run", type=click.IntRange(1, 64), default=1, show_default=True, metavar="K",
              help="Train each run by K processes, one per GPU, or per core of a CPU.")  # fmt: skip
@click.option("--checkpoint-every", type=Interval(), default="auto", show_default=True, metavar="MINUTES",
              help="How often a run stores where it stands, or epoch; auto: 10, and epoch for synthped.")  # fmt: skip
@quiet_option("table")
def run(request: Request, options: Options, results: Path, quiet: bool) -> None:
    """Train and score the missing runs of STUDY, then print its table.

    STUDY is ablation (the paper's Table 3), controls, token-controls, choices, comparison (2), parsers (4) or
    transfer (5); or several tables, with what they share trained once: all (3, 4 and 5) or starts. Stop with Ctrl-C
    whenever you like: the same command continues with what is missing. Try --preset smoke first. For images on disk,
    name --dataset, --data-root, --part-maps, --backbone and --weights.
    """
    from harness import api
    from harness.cli.answer import Printer
    from harness.display.progress import Progress

    answer = api.run(request, results, options, Progress.on_stderr(quiet), Printer())
    if not answer.complete:
        sys.exit(1)
