"""The command `pivl-bench verify`: this code's numbers compared with reference files of the original code."""

import sys
from functools import partial
from pathlib import Path

import click

from harness.cli.options import debug_option
from harness.cli.paths import UserPath


@click.command()
@click.argument("files", nargs=-1, required=True, type=UserPath())
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def verify(files: tuple[Path, ...], quiet: bool) -> None:
    """Compare this code's numbers with reference FILES from the original CLIP-ReID or SCHP.

    Such files are tests/reference/*.npz. Prints every figure's largest deviation and its tolerance; exit status 1
    if one fails or is missing. A deviation above its tolerance is compared with the largest effect that rounding
    weights and inputs once has here in a few tries: up to three times that passes, and the line says so.
    """
    from harness.display.progress import Progress
    from pivl.verification.verify import format_checks, verify_file

    progress = Progress.on_stderr(quiet)
    failed = 0
    for path in files:
        checks = verify_file(path, partial(progress.update, str(path)))
        progress.close()
        failed += sum(not check.passed for check in checks)
        click.echo(f"{path}\n{format_checks(checks)}\n")
    click.echo(f"{failed} values failed" if failed else "all values pass")
    if failed:
        sys.exit(1)
