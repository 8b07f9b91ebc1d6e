"""Asked: what a figure is drawn from, the table of a study, its runs, and what was typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from harness.analysis.outcomes import Recorded, outcome_of
from harness.analysis.table import Line, Table
from harness.display.progress import Progress
from harness.report.figures.options import FigureOptions
from harness.store.records import Finished, Results
from pivl.errors import UserError

if TYPE_CHECKING:
    from harness.report.figures.opened import Opened


@dataclass(frozen=True)
class Asked:
    """The table, what is recorded of its rows by seed, the results folder, and where to show how far drawing is."""

    table: Table
    recorded: Recorded
    results: Results
    options: FigureOptions = field(default_factory=FigureOptions)
    progress: Progress = field(default_factory=Progress.unseen)

    @property
    def lines(self) -> list[Line]:
        """The rows of the study that have a finished run. Raises UserError where there is none."""
        found = [line for line in self.table.lines if self.runs(line.row.name)]
        if not found:
            raise UserError(
                f"{self.table.study.name}: no finished run to draw from; pivl-bench run {self.table.study.name} "
                f"makes them"
            )
        return found

    def runs(self, row: str) -> Mapping[int, Finished]:
        """The finished runs of a row by seed; none of test runs, nor of a method of other code."""
        outcomes = {seed: outcome_of(run) for seed, run in self.recorded.get(row, {}).items()}
        return {seed: run for seed, run in outcomes.items() if isinstance(run, Finished)}

    def pair(self) -> tuple[Line, Line]:
        """The row whose gain is looked at, the last, and the one it is held against: the baseline, or the first row."""
        lines = self.lines
        if len(lines) < 2:
            raise UserError(
                f"{self.table.study.name}: two rows with finished runs are compared here, and there is "
                f"{len(lines)}; name "
                "both with --rows"
            )
        against = next((line for line in lines if line.is_baseline), lines[0])
        return next(line for line in reversed(lines) if line is not against), against

    def common_seed(self, *lines: Line) -> int:
        """The first seed that rows have in common. Raises UserError without one."""
        found = set.intersection(*(set(self.runs(line.row.name)) for line in lines))
        if not found:
            raise UserError(
                f"{' and '.join(line.row.name for line in lines)}: no finished seed in common; run one"
            )
        return min(found)

    def place(self, line: Line) -> int:
        """The place of a row in the table, which gives its colour."""
        return self.table.lines.index(line)

    @property
    def warning(self) -> str:
        """The title of the table's warning; empty without one."""
        return self.table.warning.title if self.table.warning else ""

    @cached_property
    def opened(self) -> "Opened":
        """The models and pictures of the runs, opened as they are asked for and then kept for all figures."""
        from harness.report.figures.opened import Opened

        return Opened(self.runs, self.results, self.options.device, self.progress)
