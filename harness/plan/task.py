"""Cell and Task: a row at a seed, and what one process does for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.inputs.spec import Inputs
from harness.store.checkpoints import Interval
from harness.store.record_file import Record
from harness.store.records import Results
from harness.store.run import Run
from harness.system.code_digest import is_todays
from pivl.recipe import Stage


@dataclass(frozen=True)
class Cell:
    """A row at one seed: its run, the inputs of the run, and missing data.

    redo: whether what other code made of it, or what lost its weights, is to be done again.
    """

    row: str
    title: str
    run: Run
    inputs: Inputs
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    redo: bool = False


def is_finished(record: Record | None, by_todays_code: bool) -> bool:
    """Whether a record is of a finished run and, where that matters, owes to no other code than today's."""
    if record is None or record["status"] != "finished":
        return False
    return not by_todays_code or is_todays(record)


@dataclass(frozen=True)
class Task:
    """The training of `stage` of `run`; the last stage also scores the model and stores the run.

    `row` is what it goes by, with its world and seed. `needs` are the ids of the tasks that must have ended well before.
    `rerank`: train nothing, score the stored model with re-ranking. `checkpoint_every`, as
    harness.store.checkpoints.Interval reads it, changes no result; that `ranks` processes train it together
    changes no more than rounding does.
    `partial`: what its data lack (harness.inputs.spec.DataIdentity). `redo`: what other code has stored or
    what lost its weights does not count.
    """

    id: str
    row: str
    stage: Stage
    run: Run
    inputs: Inputs
    needs: tuple[str, ...] = ()
    rerank: bool = False
    checkpoint_every: str = "auto"
    ranks: int = 1
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    redo: bool = False

    @property
    def name(self) -> str:
        """The name of the task in messages, unique in its plan."""
        return f"{self.title}, seed {self.run.seed}"

    @property
    def title(self) -> str:
        """The name of the row in messages, with its world where that is not 0."""
        return f"{self.row}{self.inputs.in_world}"

    @property
    def is_run(self) -> bool:
        """Whether the task is the run itself, not a stage before it nor its re-ranking."""
        return self.stage == self.run.recipe.stages()[-1] and not self.rerank

    @property
    def interval(self) -> Interval:
        """The interval of its checkpoints."""
        return Interval.read(self.checkpoint_every, self.inputs.is_embedded)

    def is_stored(self, results: Results) -> bool:
        """Whether the task's result is stored and sound."""
        if not (self.is_run or self.rerank):
            stage = results.find_stage(self.id)
            return stage is not None and (not self.redo or is_todays(stage))
        record = results.find_reranked(self.run.id) if self.rerank else results.find_run(self.id, self.redo)
        return is_finished(record, self.redo)

    def to_json(self) -> dict[str, Any]:
        """The search as JSON values, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Task":
        """A task from `to_json`, in this process or another."""
        run, inputs = Run.from_json(value["run"]), Inputs(**value["inputs"])
        return cls(**{**value, "run": run, "inputs": inputs, "needs": tuple(value["needs"])})
