"""The command `pivl-bench search`: a search by its name, what it found, and whether that holds on the test people."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from harness.cli import completion
from harness.cli.options import (
    Command,
    GroupedCommand,
    collect,
    debug_option,
    device_options,
    mlflow_option,
    path_option,
    quiet_option,
    start_options,
    training_options,
)
from harness.experiment.request import Request
from harness.launch.options import Options
from harness.search.request import SearchOptions


class SearchGroup(click.Group):
    """A command group that takes a word which names no command as the name of a search: `search loss-weights`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments."""
        if args and args[0] not in self.commands:
            defaults = ctx.default_map or {}
            ctx.default_map = {**defaults, AS_TYPED: defaults.get(DO)}  # click looks them up by this name
            return AS_TYPED, self.commands[DO], args
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of searches, and the commands."""
        names = completion.complete_names(completion.searches(), incomplete)
        return [item for item in names if item.type != "file"] + super().shell_complete(ctx, incomplete)


class Trials(GroupedCommand):
    """The command `search NAME`, whose usage has NAME before the options, as it is typed."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The words of the usage after `pivl-bench search NAME`."""
        return ["[OPTIONS]"]


DO, AS_TYPED = "do", "NAME"  # the command `search NAME`: how it is called here, and in its usage


@click.group(cls=SearchGroup, subcommand_metavar="NAME | COMMAND [NAME] [OPTIONS]")
def search() -> None:
    """Search choices of PI-VL's recipe with Optuna, on identities held out of the training set.

    \b
    pivl-bench search NAME            run its trials; typed again, it continues
    pivl-bench search NAME --help     its options

    show and confirm take the same NAME and options; list prints the names.
    """


def topic_options(command: Command) -> Command:
    """Adds the options that identify a search and its storage."""
    for option in (
        start_options,
        click.option("--storage", metavar="URL", help="postgresql://USER@HOST/DATABASE, to share trials among "
                     "hosts; their --results must be one folder.  [default: a file in the results]"),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
                     help="Seed of the held-out identities, of the settings tried and of every training."),
        click.argument("study", type=completion.SEARCH, metavar="NAME"),
    ):  # fmt: skip
        command = option(command)
    return command


@collect(request=Request, wanted=SearchOptions, options=Options)
@search.command(DO, hidden=True, cls=Trials)
@topic_options
@click.option("--trials", type=click.IntRange(min=1), default=40, show_default=True,
              help="Trials in all, those done before included.")  # fmt: skip
@click.option("--sampler", type=completion.SAMPLER, default="tpe", show_default=True, help="tpe or random.")
@click.option("--pruner", type=completion.PRUNER, default="median", show_default=True,
              help="median, hyperband or none.")  # fmt: skip
@device_options
@mlflow_option
@quiet_option("outcome")
def do(request: Request, wanted: SearchOptions, options: Options, results: Path, quiet: bool) -> None:
    """Run the remaining trials of the search NAME, then print its report.

    Stop with Ctrl-C whenever you like: the same command continues. The test identities are never used here, only in
    pivl-bench search confirm NAME, the final test: once, with the best setting.
    """
    from harness import api
    from harness.display.progress import Progress

    def show(found: api.SearchAnswer) -> None:
        click.echo(found.report, nl=False)

    found = api.search(request, wanted, results, options, Progress.on_stderr(quiet), show)
    if not any(trial.state == "finished" for trial in found.trials):
        raise click.exceptions.Exit(1)


@collect(request=Request, wanted=SearchOptions)
@search.command(cls=GroupedCommand)
@topic_options
def show(request: Request, wanted: SearchOptions, results: Path) -> None:
    """Print what the search NAME has found so far: the best setting, its trials, what mattered; draw its figures.

    Text and figures are kept in searches/NAME/ of the results.
    """
    from harness import api
    from harness.display.progress import Progress

    found = api.show_search(request, wanted, results, Progress.on_stderr(quiet=True))
    click.echo(found.report, nl=False)


@collect(request=Request, wanted=SearchOptions, options=Options)
@search.command(cls=GroupedCommand)
@topic_options
@click.option("--seeds", metavar="LIST", help="Seeds, as 0-2 or 0,3.  [default: the study's own]")
@training_options
@quiet_option("table")
def confirm(request: Request, wanted: SearchOptions, options: Options, results: Path, quiet: bool) -> None:
    """Final test: the best setting of the search NAME against the default settings, on the test identities.

    Both are trained on all training identities, at several seeds, and the table is printed. If the search is
    continued and finds another best setting, confirm tests that one anew.
    """
    from harness import api
    from harness.cli.answer import Printer
    from harness.display.progress import Progress

    answer = api.confirm(request, wanted, results, options, Progress.on_stderr(quiet), Printer())
    if answer is None:
        click.echo(
            f"{request.study}: no trial did better than the default settings; there is nothing to confirm"
        )
    elif not answer.complete:
        raise click.exceptions.Exit(1)


@search.command("list")
@path_option("--results", "results", "Where runs are recorded.")
@debug_option
def list_searches(results: Path) -> None:
    """The searches, what each varies, and which were started."""
    from harness.search.spec import begun_in
    from studies.searches import SEARCHES

    for space in SEARCHES.values():
        click.echo(f"{space.name}: {space.title}\n    varies {', '.join(space.parameters)}")
    if begun := begun_in(results):
        click.echo(f"started in {results}: {', '.join(begun)}")
