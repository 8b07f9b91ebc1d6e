"""The command `pivl-bench plan`: what a study still needs; it starts nothing."""

from pathlib import Path
from typing import Any

import click

from harness.cli.options import experiment_options, parse_jobs


@click.command()
@experiment_options
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="Where run would train.")  # fmt: skip
@click.option("--jobs", default="auto", show_default=True, metavar="N", help="Runs at a time, as run has it.")
@click.option("--retry-failed", is_flag=True, help="Count failed runs as to do.")
@click.option("--format", "form", default="markdown", show_default=True, help="markdown or json.")
def plan(results: Path, device: str, jobs: str, retry_failed: bool, form: str, **typed: Any) -> None:
    """Say what run STUDY would do, and start nothing.

    Prints every run with its state, which stages rows share and what that saves, and the work, time and disk that
    are still to be spent. Times are as measured on this device before; a short run with --limit-steps measures them.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.experiment.precision import resolve_precision
    from harness.experiment.request import Request
    from harness.experiment.resolve import resolve_all
    from harness.inputs.choices import choose
    from harness.launch import launcher as launcher_module
    from harness.report import plan as campaign_text
    from harness.store.records import Results

    print_as = campaign_text.PRINTERS[choose("format", form, campaign_text.PRINTERS)]
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    experiments = resolve_all(resolve_precision(Request(**typed, device=device), store))
    options = launcher_module.Options(device, parse_jobs(jobs), retry_failed)
    campaign = api.survey(experiments, store, progress, options)
    click.echo(print_as(campaign), nl=False)
