"""Prepared: experiments with their data found, their cells laid out, and one plan over all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.experiment.experiment import Experiment
from harness.inputs.spec import DataIdentity, Inputs, Size
from harness.plan.forecast import RequestedCell
from harness.plan.planner import Plan
from harness.plan.task import Cell

NOT_RENDERED = (
    "not rendered"  # begins what stands in the place of a fingerprint in forecasts, one for each world
)
Look = Callable[[Experiment, Inputs], DataIdentity]


@dataclass
class Identities:
    """The identities of a command's data sets, each found once by `look`, for all experiments and rows."""

    look: Look
    known: dict[tuple[Inputs, Size, bool], DataIdentity] = field(default_factory=dict)

    def of(self, experiment: Experiment, rows: Sequence[str]) -> dict[Inputs, DataIdentity]:
        """Returns the identity of every input of `rows` (names)."""
        return {one: self.find(experiment, one) for one in experiment.all_inputs(rows)}

    def find(self, experiment: Experiment, one: Inputs) -> DataIdentity:
        """Returns the identity of one of the experiment's inputs."""
        key = self.key(experiment, one)
        if key not in self.known:
            self.known[key] = self.look(experiment, one)
        return self.known[key]

    @staticmethod
    def key(experiment: Experiment, one: Inputs) -> tuple[Inputs, Size, bool]:
        """Returns all that an identity depends on."""
        return one, experiment.size, experiment.needs_confidence


@dataclass(frozen=True)
class Prepared:
    """The cells that experiments ask for, the plan of what is still to do of them, and what their data are."""

    requested: tuple[RequestedCell, ...]
    plan: Plan
    identities: Identities

    @property
    def identified(self) -> bool:
        """Whether the ids of all runs are known, which needs the pictures."""
        return not any(one.cell.run.fingerprint.startswith(NOT_RENDERED) for one in self.requested)

    def cells(self, experiment: Experiment) -> list[Cell]:
        """Returns the cells that one of the experiments asks for."""
        return [one.cell for one in self.requested if one.study == experiment.name]

    def open_cells(self, experiment: Experiment) -> list[Cell]:
        """Returns those of its cells whose runs, or re-rankings, are still to do."""
        runs = {task.run.id for task in self.plan.tasks}
        return [cell for cell in self.cells(experiment) if cell.run.id in runs]
