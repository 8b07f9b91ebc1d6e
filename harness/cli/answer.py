"""Prints the tables of an answer as they come, an empty line between them: text on a terminal, else Markdown."""

import shutil
import sys
from dataclasses import dataclass

import click

from harness.analysis.table import Table
from harness.report.markdown import markdown
from harness.report.page.document import WHOLE, Layout
from harness.report.page.terminal import terminal


@dataclass
class Printer:
    """Prints each table that it is called with."""

    printed: int = 0

    def __call__(self, table: Table) -> None:
        """Prints `table`."""
        click.echo("\n" * (self.printed > 0), nl=False)
        show(table)
        self.printed += 1


def show(table: Table, wide: bool = False, layout: Layout = WHOLE) -> None:
    """Prints a table for whoever reads: as wide as the terminal is, and into a file or pipe as Markdown."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        click.echo(terminal(table, width, wide, layout), nl=False)
    else:
        click.echo(markdown(table, layout), nl=False)
