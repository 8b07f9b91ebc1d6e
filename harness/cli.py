"""The command `pivl-bench`. Each command is a few lines over harness.conduct and pivl.people.

Only click is imported here, everything else where it is used, so that --help answers at once.
"""

import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from harness import disk, embedded, parsing, searching, stored, tracking_commands
from harness.addresses import without_login
from harness.options import (
    check_interval,
    debug_option,
    device_options,
    output_option,
    parse_jobs,
    question_options,
)
from harness.paths import UserPath
from harness.perf.command import perf
from harness.streams import take_streams
from pivl.errors import UserError
from pivl.homes import home_of, take_substitute

# Objects more before garbage is looked for: loading torch and mlflow takes a quarter less than with Python's own 700.
SELDOM = 100_000
EXAMPLES = """\b
Begin with:
  pivl-bench run ablation --preset smoke    see every step work, in a minute
  pivl-bench run ablation                   the paper's Table 3 on this machine
  pivl-bench table ablation                 the same table again, from records
  pivl-bench data show synthped             a sheet of the people it is measured on
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pivl-bench")
def commands() -> None:
    """Benchmark and ablations of PI-VL, part-informed person re-identification (arXiv 2308.02738).

    Every result is recorded with its recipe, data, seed and commit; what is recorded is never done twice.
    """


@commands.command()
@question_options
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
    from harness import conduct, track
    from harness.precision import settle
    from harness.progress import Progress
    from harness.question import Asked, ask_each
    from harness.records import Results
    from harness.showing import show_answer

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, workers and all
    progress = Progress.on_stderr(quiet)
    store = Results(results, progress.warn)
    questions = ask_each(settle(Asked(**typed, device=device), store))
    if scheduler is not None and launcher != "dask":
        raise UserError("--scheduler names a Dask cluster; say --launcher dask with it")
    every = check_interval(checkpoint_every)
    options = conduct.Options(
        device, parse_jobs(jobs), retry_failed, every, gpus_per_run, launcher, scheduler, not no_mlflow
    )
    store.prepare()
    conduct.answer(questions, store, progress, options)
    complete = True
    for number, question in enumerate(questions):
        click.echo("\n" * (number > 0), nl=False)
        complete &= show_answer(question, store, progress)
    if options.mlflow and any(map(track.is_shown, questions)):
        track.show(questions, store, progress)
    if not complete:
        sys.exit(1)


@commands.command()
@question_options
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
    from harness import campaign_text, conduct
    from harness.choose import choose
    from harness.precision import settle
    from harness.progress import Progress
    from harness.question import Asked, ask_each
    from harness.records import Results

    print_as = campaign_text.PRINTERS[choose("format", form, campaign_text.PRINTERS)]
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    questions = ask_each(settle(Asked(**typed, device=device), store))
    options = conduct.Options(device, parse_jobs(jobs), retry_failed)
    campaign = conduct.survey(questions, store, progress, options)
    click.echo(print_as(campaign), nl=False)


@commands.command()
@question_options
@click.option("--format", "form", default="markdown", show_default=True, help="markdown, csv or json.")
@output_option("A file instead of the screen.")
def table(results: Path, form: str, output: Path | None, **typed: Any) -> None:
    """Print the table of STUDY from what is recorded; trains nothing.

    What is missing or failed says so in its place; pivl-bench run STUDY fills it.
    """
    from harness import conduct, printers
    from harness.choose import choose
    from harness.precision import settle
    from harness.progress import Progress
    from harness.question import Asked, ask
    from harness.records import Results
    from pivl.outputs import write_text_output

    print_as = printers.PRINTERS[choose("format", form, printers.PRINTERS)]
    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    question = ask(settle(Asked(**typed), store))
    recorded = conduct.read_answer(question, store, progress)
    text = print_as(conduct.make_table(question, recorded, store))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)


@commands.command()
@click.argument("files", nargs=-1, required=True, type=UserPath())
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def verify(files: tuple[Path, ...], quiet: bool) -> None:
    """Hold this code to FILES of figures that the original CLIP-ReID or SCHP code computed.

    Such files are tests/reference/*.npz. Prints every figure's largest deviation and its tolerance; exit status 1
    if one fails or is not there. A deviation above its tolerance is held against the most that one rounding of
    weights and inputs does here in a few tries: up to three times that passes, and the line says so.
    """
    from harness.progress import Progress
    from pivl.verification import format_checks, verify_file

    progress = Progress.on_stderr(quiet)
    failed = 0
    for path in files:
        checks = verify_file(path, partial(progress.update, str(path)))
        progress.close()
        failed += sum(not check.passed for check in checks)
        click.echo(f"{path}\n{format_checks(checks)}\n")
    click.echo(f"{failed} figures failed" if failed else "all figures pass")
    if failed:
        sys.exit(1)


embedded.data.add_command(disk.check_data)
embedded.data.add_command(disk.build_occluded_duke)
commands.add_command(embedded.data)
commands.add_command(embedded.pretrain)
commands.add_command(parsing.parse)
commands.add_command(perf)
commands.add_command(searching.search)
commands.add_command(stored.results_group)
commands.add_command(tracking_commands.mlflow)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line. Exit status 2 for a user's mistake, 1 for failed runs and for what could not be printed."""
    gc.set_threshold(SELDOM)
    atexit.register(gc.freeze)  # else the end looks through all that was loaded, for two seconds
    out = take_streams()
    status = _status(sys.argv[1:] if arguments is None else list(arguments))
    sys.stdout.flush()
    if out is not None and out.error is not None:
        reason = out.error.strerror or out.error
        click.echo(f"pivl-bench: not all could be printed ({reason}); what was recorded is there", err=True)
        status = status or 1
    sys.exit(status)


def _status(typed: list[str]) -> int:
    """Run what was typed, and say in one line what is wrong with it; the exit status."""
    try:
        if home_of() is None:
            os.environ["HOME"] = str(take_substitute())  # for libraries, which would end without one
        status = commands.main(typed, "pivl-bench", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pivl-bench"
        return _say(2, f"{error.format_message()} ({command} --help)")
    except (click.ClickException, UserError) as error:
        return _say(2, error.format_message() if isinstance(error, click.ClickException) else str(error))
    except (KeyboardInterrupt, click.Abort):
        gc.freeze()  # nobody wants to wait until torch's objects are looked through once more
        return _say(130, "interrupted; what is recorded stays, and the same command goes on from there")
    except Exception as error:
        if "--debug" in typed:
            click.echo(without_login(traceback.format_exc()), err=True, nl=False)
        reason = without_login((str(error).strip().splitlines() or [""])[0])
        again = "" if "--debug" in typed else "; run it again with --debug to see where"
        return _say(1, f"unexpected {type(error).__name__}: {reason}{again}")


def _say(status: int, message: str) -> int:
    """Say in one line what is wrong; the exit status."""
    click.echo(f"pivl-bench: {message}", err=True)
    return status


if __name__ == "__main__":
    main()
