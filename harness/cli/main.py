"""The command `pivl-bench`. Each command is a few lines over harness.api and pivl.synthped.

Only click is imported here, everything else where it is used, so that --help answers at once.
"""

import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from harness.cli.data import data
from harness.cli.evidence.claims import claims
from harness.cli.evidence.figure import figure
from harness.cli.evidence.power import power
from harness.cli.evidence.report import report
from harness.cli.evidence.verify import verify
from harness.cli.mlflow import mlflow
from harness.cli.models.compare import compare
from harness.cli.models.evaluate import evaluate
from harness.cli.models.export import export
from harness.cli.models.extract import extract
from harness.cli.parse import parse
from harness.cli.perf import perf
from harness.cli.plan import plan, recipe
from harness.cli.pretrain import pretrain
from harness.cli.project import read_defaults
from harness.cli.results import results_group
from harness.cli.run import run
from harness.cli.search import search
from harness.cli.table import table
from harness.system.addresses import without_login
from harness.system.process import take_termination_as_interrupt
from harness.system.streams import take_streams
from pivl.errors import UserError
from pivl.system.homes import home_of, take_substitute

# Objects more before garbage is looked for: loading torch and mlflow takes a quarter less than with Python's own 700.
SELDOM = 100_000
EXAMPLES = """\b
Begin with:
  pivl-bench run ablation --preset smoke    try every step, in a minute
  pivl-bench run ablation                   the paper's Table 3 on this machine
  pivl-bench run ablation --preset long     the same with 10 seeds and 28 epochs
  pivl-bench table ablation                 the same table again, from records
  pivl-bench data show synthped             a sheet of the identities it is measured on
\b
Options that repeat go into pivl.toml of the folder, for all commands or under [run]:
  dataset = "market1501"
  data-root = "~/data"
"""


@click.group(
    epilog=EXAMPLES, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="pivl-bench")
@click.pass_context
def commands(context: click.Context) -> None:
    """Benchmark and ablations of PI-VL, part-informed person re-identification (arXiv 2308.02738).

    Every result is recorded with its recipe, data, seed and commit; what is recorded is never done twice.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    run, plan, recipe, table, figure, report, compare, power, claims, search, extract, evaluate, export, data, parse,
    pretrain, results_group, mlflow, verify, perf,
):  # fmt: skip
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line. Exit status 2 for a user's mistake, 1 for failed runs and for what could not be printed.

    A reader that has enough and closes its pipe, as head does, is no mistake: silent, with the status of other programs.
    """
    gc.set_threshold(SELDOM)
    atexit.register(gc.freeze)  # else the end looks through all that was loaded, for two seconds
    out = take_streams()
    status = _status(sys.argv[1:] if arguments is None else list(arguments))
    sys.stdout.flush()
    if out is not None and isinstance(out.error, BrokenPipeError):
        status = status or 128 + signal.SIGPIPE
    elif out is not None and out.error is not None:
        status = status or 1
        reason = (out.error.strerror or str(out.error)).lower()
        click.echo(f"pivl-bench: cannot write the output: {reason}; what was recorded stays", err=True)
    sys.exit(status)


def _status(typed: list[str]) -> int:
    """Runs the command line `typed` and returns its exit status; prints an error as one line."""
    take_termination_as_interrupt()
    try:
        if home_of() is None:
            os.environ["HOME"] = str(take_substitute())  # for libraries, which would end without one
        kept = read_defaults(commands, Path())
        status = commands.main(typed, "pivl-bench", standalone_mode=False, default_map=kept)
        return status if isinstance(status, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pivl-bench"
        said = error.format_message()
        expanded = "unexpected extra argument" in said and "=" in said
        hint = "; put what the shell expands, as {0..4}, in quotes" if expanded else ""
        return _say(2, f"{said}{hint} ({command} --help)")
    except (click.ClickException, UserError) as error:
        return _say(2, error.format_message() if isinstance(error, click.ClickException) else str(error))
    except (KeyboardInterrupt, click.Abort):
        gc.freeze()  # nobody wants to wait until torch's objects are looked through once more
        return _say(130, "interrupted; finished work is recorded, and the same command continues from there")
    except Exception as error:
        if "--debug" in typed:
            click.echo(without_login(traceback.format_exc()), err=True, nl=False)
        reason = without_login((str(error).strip().splitlines() or [""])[0])
        again = "" if "--debug" in typed else "; run it again with --debug to see where"
        return _say(1, f"unexpected {type(error).__name__}: {reason}{again}")


def _say(status: int, message: str) -> int:
    """Prints `message` as one line on stderr and returns `status`."""
    click.echo(f"pivl-bench: {message}", err=True)
    return status


if __name__ == "__main__":
    main()
