"""The answer to a request: what is recorded of it, as tables and as runs."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.analysis.outcomes import Recorded
from harness.store.records import Finished

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.table import Table


@dataclass(frozen=True)
class Answer:
    """The recorded result of a request: the table of each study, its runs, and whether all are finished.

    outcomes: of each study in each world; places: the study and the world of each. A study has one table of all worlds.
    """

    tables: "tuple[Table, ...]"
    places: tuple[tuple[str, int], ...]
    outcomes: tuple[Recorded, ...]
    complete: bool

    @property
    def table(self) -> "Table":
        """The first table; the only one unless `all` studies were asked for."""
        return self.tables[0]

    @cached_property
    def records(self) -> "pd.DataFrame":
        """The finished runs, a line each: study, row, world, seed, id, every metric, and as `health/NAME` its health."""
        import pandas as pd

        return pd.DataFrame(
            {"study": study, "row": row, "world": world, "seed": seed, "id": run.id, **run.figures}
            for (study, world), outcomes in zip(self.places, self.outcomes, strict=True)
            for row, seeds in outcomes.items()
            for seed, run in seeds.items()
            if isinstance(run, Finished)
        )
