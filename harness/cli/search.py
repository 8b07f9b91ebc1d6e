"""The command `pivl-bench search`: a search by its name, what it found, and whether that holds on the test people."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import Command, debug_option, device_options, parse_jobs, path_option, start_options
from harness.system.process import take_termination_as_interrupt

if TYPE_CHECKING:
    from harness.display.progress import Progress
    from harness.search.session import SearchRequest
    from harness.store.records import Results


class SearchGroup(click.Group):
    """A group in which what is no command is the name of a search, as in `search loss-weights`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments."""
        if args and args[0] not in self.commands:
            return DO, self.commands[DO], args
        return super().resolve_command(ctx, args)


DO = "do"


@click.group(cls=SearchGroup, subcommand_metavar="NAME | COMMAND [NAME] [OPTIONS]")
def search() -> None:
    """Search choices of PI-VL's recipe with Optuna, on people held out of the training set.

    \b
    pivl-bench search NAME            do its trials; again: go on with them
    pivl-bench search NAME --help     what it takes

    The same NAME and options go with show and confirm; list has the names.
    """


def topic_options(command: Command) -> Command:
    """What tells one search from another, and where it is kept."""
    for option in (
        start_options,
        click.option("--storage", "url", metavar="URL", help="postgresql://USER@HOST/DATABASE, to share trials among "
                     "hosts; their --results must be one folder.  [default: a file in the results]"),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
                     help="Draws the people held out and the settings, and is that of each training."),
        click.argument("name"),
    ):  # fmt: skip
        command = option(command)
    return command


@search.command(DO, hidden=True)
@topic_options
@click.option("--trials", type=click.IntRange(min=1), default=40, show_default=True,
              help="Trials in all, those done before included.")  # fmt: skip
@click.option("--sampler", default="tpe", show_default=True, help="tpe or random.")
@click.option("--pruner", default="median", show_default=True, help="median, hyperband or none.")
@device_options
@click.option("--no-mlflow", is_flag=True, help="Leave MLflow alone.")
@click.option("--quiet", is_flag=True, help="No progress; only warnings and the outcome.")
def do(
    results: Path, trials: int, sampler: str, pruner: str, device: str, jobs: str, no_mlflow: bool, quiet: bool,
    **typed: Any,
) -> None:  # fmt: skip
    """Run the remaining trials of the search NAME, then print its report.

    Stop with Ctrl-C whenever you like: the same command goes on. The test people are never looked at: pivl-bench search
    confirm NAME does that, once, with the best setting.
    """
    take_termination_as_interrupt()
    topic, store, progress = _begin(results, quiet, typed, sampler=sampler, pruner=pruner, device=device)
    from harness.launch.launcher import Options
    from harness.search.session import do_trials, prepare, report, track
    from harness.tracking.refresh import prepare as prepare_mlflow

    store.prepare()
    options = Options(device, parse_jobs(jobs))
    chosen = prepare(topic, store, progress)
    if not no_mlflow:
        prepare_mlflow(store, progress)
    done = do_trials(chosen, topic.place(store), trials, options, store, progress)
    click.echo(report(topic, store), nl=False)
    if not no_mlflow:
        track(topic, store, progress)
    if not any(trial.state == "finished" for trial in done):
        raise click.exceptions.Exit(1)


@search.command()
@topic_options
def show(results: Path, **typed: Any) -> None:
    """Print what the search NAME has found so far: the best setting, its trials, what mattered; draw its figures.

    Text and figures are kept in searches/NAME/ of the results.
    """
    topic, store, _ = _begin(results, True, typed)
    from harness.search.session import report

    click.echo(report(topic, store), nl=False)


@search.command()
@topic_options
@click.option("--seeds", metavar="LIST", help="Seeds, as 0-2 or 0,3.  [default: 0-2]")
@device_options
@click.option("--retry-failed", is_flag=True, help="Do failed runs again.")
@click.option("--no-mlflow", is_flag=True, help="Leave MLflow alone.")
@click.option("--quiet", is_flag=True, help="No progress; only warnings and the table.")
def confirm(
    results: Path, device: str, jobs: str, retry_failed: bool, no_mlflow: bool, quiet: bool, seeds: str | None,
    **typed: Any,
) -> None:  # fmt: skip
    """Measure the best setting of the search NAME on the test people, beside the recipe as it is; print the table.

    Both are trained on all training people, over seeds. A search that goes on may find another best setting, which is
    then confirmed anew.
    """
    take_termination_as_interrupt()
    topic, store, progress = _begin(results, quiet, typed, device=device)
    from harness import api
    from harness.cli.answer import show_answer
    from harness.launch import launcher
    from harness.search.session import ask_confirmation
    from harness.tracking import refresh

    store.prepare()
    experiment = ask_confirmation(topic, store, seeds)
    if experiment is None:
        click.echo(f"{topic.name}: no trial did better than the recipe as it is; there is nothing to confirm")
        return
    options = launcher.Options(device, parse_jobs(jobs), retry_failed, mlflow=not no_mlflow)
    api.answer([experiment], store, progress, options)
    complete = show_answer(experiment, store, progress)
    if options.mlflow:
        refresh.show({experiment.name}, store, progress)
    if not complete:
        raise click.exceptions.Exit(1)


@search.command("list")
@path_option("--results", "results", "Where runs are recorded.")
@debug_option
def list_searches(results: Path) -> None:
    """The searches that there are, what each varies, and which were begun."""
    from harness.search.spec import begun_in
    from studies.searches import SEARCHES

    for space in SEARCHES.values():
        click.echo(f"{space.name}: {space.title}\n    varies {', '.join(space.parameters)}")
    if begun := begun_in(results):
        click.echo(f"begun in {results}: {', '.join(begun)}")


def _begin(
    results: Path, quiet: bool, typed: dict[str, Any], device: str = "auto", **chosen: str
) -> "tuple[SearchRequest, Results, Progress]":
    """The search that was typed, where it is kept, and a display."""
    from harness.display.progress import Progress
    from harness.experiment.request import Request
    from harness.search.session import ask_search
    from harness.search.snapshot import kept_precision
    from harness.store.records import Results

    name, seed, url = (typed.pop(key) for key in ("name", "seed", "url"))
    progress = Progress.on_stderr(quiet)
    store, asked = Results(results, progress.warn), Request(name, **typed, device=device)
    topic = ask_search(asked, seed, url, **chosen)
    if asked.precision == "auto" and (precision := kept_precision(topic.name, store)):
        topic = ask_search(replace(asked, precision=precision), seed, url, **chosen)
    return topic, store, progress
