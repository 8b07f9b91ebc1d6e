"""The commands `pivl-bench plan` and `recipe`: what a study still needs, and its settings; they start nothing."""

import json
from collections.abc import Sequence
from dataclasses import replace
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

    Prints which stages rows share and what that saves, the work, time and disk that are still to be spent, and every
    run with its state. Times are as measured on this device before; a short run with --limit-steps measures them.
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


@collect(request=Request)
@click.command(cls=GroupedCommand)
@study_argument
@setting_options
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Only this field or symbol of the paper, in "
              "full and for every row. Repeatable.")  # fmt: skip
@format_option("markdown", "json")
def recipe(request: Request, results: Path, fields: tuple[str, ...], form: str) -> None:
    """Print the settings of a row of STUDY, each with its source and meaning.

    Every field of the recipe with its value, where that comes from (default, backbone, preset, --set, row), what it
    means, and the equation, section or table of the paper, or the file of CLIP-ReID, that it is of. Takes what run
    takes, so that the word recipe in the place of run shows what would be trained. --row pi-vl shows that row, --row
    mine=pi-vl,lambda=0.2 one of your own; without, STUDY is ablation and the row the last of its default rows.
    """
    from harness.display.progress import Progress
    from harness.experiment.own_rows import name_of
    from harness.experiment.recipe_fields import known_field
    from harness.experiment.resolve import resolve
    from harness.inputs.choices import choose
    from harness.report.plan import RECIPE_PRINTERS
    from harness.store.records import Results

    print_as, wanted = (
        RECIPE_PRINTERS[choose("format", form, RECIPE_PRINTERS)],
        [known_field(one) for one in fields],
    )
    named = [*map(name_of, request.own_rows)]
    if request.study_file is None:
        request = replace(request, study=request.study or "ablation")
    request = replace(request, own_rows=tuple(one for one in request.own_rows if "=" in one))
    experiment = resolve(request, Results(results, Progress.on_stderr(quiet=True).warn))
    rows = experiment.study.rows
    for name in named:
        choose("row", name, [row.name for row in rows])
    chosen = named or (experiment.rows if request.rows or fields else experiment.rows[-1:])
    click.echo(print_as(experiment, [row for row in rows if row.name in chosen], wanted), nl=False)
