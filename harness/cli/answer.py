"""Prints the tables of an answer as they come, an empty line between them."""

from dataclasses import dataclass

import click

from harness.analysis.table import Table
from harness.report.markdown import markdown


@dataclass
class Printer:
    """Prints each table that it is called with."""

    printed: int = 0

    def __call__(self, table: Table) -> None:
        """Prints `table` as Markdown."""
        click.echo("\n" * (self.printed > 0) + markdown(table), nl=False)
        self.printed += 1
