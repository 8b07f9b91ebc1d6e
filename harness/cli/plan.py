"""The command `pivl-bench plan`: what a study still needs; it starts nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    device_options,
    format_option,
    redo_option,
    retry_option,
    setting_options,
    study_argument,
)
from harness.experiment.request import Request
from harness.launch.options import Options

if TYPE_CHECKING:
    from harness.power.forecast import Forecast


@collect(request=Request, options=Options)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@redo_option
@device_options
@retry_option("Count failed runs as to do.")
@format_option("markdown", "json")
@click.option(
    "--power", is_flag=True, help="Also the gains that the planned seeds would find, from recorded runs."
)
def plan(request: Request, options: Options, results: Path, form: str, power: bool) -> None:
    """Forecast run STUDY without starting it: runs, stages, work, time and disk.

    Prints every run with its state, which stages rows share and what that saves, and the work, time and disk that
    are still to be spent. Times are as measured on this device before; a short run with --limit-steps measures them.
    """
    from harness import api
    from harness.display.progress import Progress
    from harness.inputs.choices import choose
    from harness.report.plan import PRINTERS

    print_as, progress = PRINTERS[choose("format", form, PRINTERS)], Progress.on_stderr(quiet=False)
    planned = api.plan(request, results, options, progress)
    text = print_as(planned)
    if power:  # without ids there is no record, and to find them pictures would be rendered
        found = api.power(request, results, progress=progress) if planned.identified else ()
        text = _with_power(text, found, form)
    click.echo(text, nl=False)


def _with_power(plan_text: str, found: "Sequence[Forecast]", form: str) -> str:
    """The plan as printed, with the power that records foresee: behind it, or in JSON under its own key."""
    from harness.power.report import documents, markdown

    if form == "markdown":
        return f"{plan_text}\n{markdown(found)}"
    return (
        json.dumps({**json.loads(plan_text), "power": documents(found)}, indent=2, ensure_ascii=False) + "\n"
    )
