"""The command `pivl-bench power`: how many seeds and people a gain needs; it trains nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

import click

from harness.cli.options import (
    GroupedCommand,
    collect,
    format_option,
    output_option,
    setting_options,
    study_argument,
)
from harness.cli.paths import OutputFile, deliver
from harness.experiment.request import Request, parse_seeds
from pivl.errors import UserError

EXAMPLES = """\b
Begin with:
  pivl-bench power ablation --gain 0.5              from the runs of the ablation
  pivl-bench power --dataset market1501 --seeds 5   without runs, under assumptions
"""


@dataclass(frozen=True)
class Asked:
    """The typed arguments that a study has none of: the gain to find, where to draw it, counts of queries."""

    gain: float | None
    figure: Path | None
    queries: tuple[str, ...]


@collect(request=Request, asked=Asked)
@click.command(cls=GroupedCommand, epilog=EXAMPLES)
@study_argument
@setting_options
@output_option("A file instead of the screen.")
@format_option("markdown", "json")
@click.option("--figure", type=OutputFile(), metavar="FILE", help="Draw the minimum detectable gain as PNG.")
@click.option("--queries", multiple=True, metavar="NAME=QUERIES/PEOPLE",
              help="Counts of a test set of one's own, without STUDY.")  # fmt: skip
@click.option("--gain", type=click.FloatRange(min=0, max=100, min_open=True), metavar="POINTS",
              help="Say what would find a true gain of so many points.")  # fmt: skip
def power(request: Request, asked: Asked, results: Path, form: str, output: Path | None) -> None:
    """Say what seeds and identities the contrasts of STUDY would need, from its runs.

    Splits the variance of every gain into retraining, identities, queries and what they share, and prints the minimum
    detectable gain (80 % power) by seeds and identities. Without STUDY it uses no run but --dataset and a number of
    --seeds (5 means five), under assumptions that it states.
    """
    from harness.inputs.choices import choose

    choose("format", form, ("markdown", "json"))
    named = request.study or request.study_file
    text = _of_runs(request, asked, results, form) if named else _assumed(request, asked, form)
    deliver(text, output)


def _of_runs(request: Request, asked: Asked, results: Path, form: str) -> str:
    from harness import api
    from harness.display.progress import Progress
    from harness.power.figure import draw_power
    from harness.power.report import PRINTERS
    from studies.catalog import SEVERAL

    if request.study in SEVERAL and asked.figure is not None:
        raise UserError("--figure draws one study; name it")
    if asked.queries:
        raise UserError("--queries is for power without a study, whose runs say what they were scored on")
    found = api.power(request, results, asked.gain, Progress.on_stderr(quiet=False))
    if asked.figure is not None:
        draw_power(found[0], asked.figure)
    return PRINTERS[form](found)


def _assumed(request: Request, asked: Asked, form: str) -> str:
    from harness.analysis.statistics import LEAST_SEEDS
    from harness.claims.datasets import choose_dataset, parse_own
    from harness.power.assumptions import PRINTERS, assume

    if request.dataset is None or request.seeds is None or asked.figure is not None:
        raise UserError(
            "name a study, as pivl-bench power ablation, or --dataset and --seeds for assumptions alone"
        )
    dataset = choose_dataset(request.dataset, parse_own(asked.queries))
    if dataset.people is None:
        raise UserError(
            f"--queries {dataset.title}={dataset.queries}: add the identities, as {dataset.title}=1200/200"
        )
    seeds = (
        int(request.seeds) if re.fullmatch("[0-9]{1,3}", request.seeds) else len(parse_seeds(request.seeds))
    )
    if seeds < LEAST_SEEDS:
        raise UserError(f"--seeds {request.seeds}: no verdict is given on fewer than {LEAST_SEEDS} seeds")
    return PRINTERS[form](assume(dataset.title, dataset.queries, dataset.people, seeds, asked.gain))
