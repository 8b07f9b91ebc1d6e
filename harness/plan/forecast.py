"""Forecasts experiments before they start: every run and stage with state, work, time and disk.

An item is a run or a stage that runs start from. It stands here once however many rows and studies need it, as it is
trained once.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.experiment.experiment import Experiment
from harness.plan.planner import Plan
from harness.plan.task import Cell
from harness.plan.throughput import Throughput
from harness.plan.workload import Work, count_work
from harness.store.checkpoints import has_checkpoint
from harness.store.claims import Owner
from harness.store.record_file import Record
from harness.store.records import Results
from harness.system.code_digest import is_todays
from pivl.recipe import Stage

State = Literal["finished", "failed", "running", "to do", "not needed"]


OTHER_CODE = "by other code"
BEGUN = "from a checkpoint"


@dataclass(frozen=True)
class RequestedCell:
    """A cell, the study that requested it, and the histogram of its training identities."""

    study: str
    cell: Cell
    people: Mapping[int, int] | None


Use = tuple[RequestedCell, Stage]


@dataclass(frozen=True)
class WorkItem:
    """A run or stage at one seed of a world, and the `rows` that need it, as pairs of study and row.

    `detail`: the error of a failed run, the process that works on it, OTHER_CODE of a finished one, BEGUN of one to do.
    `work`, `seconds` and `size` (bytes) are None where nothing tells them.
    """

    id: str
    stage: Stage
    is_run: bool
    seed: int
    world: int
    rows: tuple[tuple[str, str], ...]
    state: State
    detail: str
    work: Work | None
    seconds: float | None
    size: int | None
    before: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether the run or stage is unfinished."""
        return self.state in ("to do", "running")

    @property
    def saved(self) -> int | None:
        """The steps saved because rows share the run or stage."""
        return None if self.work is None else (len(self.rows) - 1) * self.work.steps


@dataclass(frozen=True)
class Host:
    """The device as records name it, the number of parallel tasks, and measured throughput."""

    device: str
    slots: int
    measured: Throughput


@dataclass(frozen=True)
class Forecast:
    """The work items of all experiments, stages first; on `device`, `slots` at a time; `free` bytes for results.

    settings: data set and backbone of each experiment, in the order of `names`.
    `identified`: whether their ids are known, which needs the pictures. `rerankings`: the models to be scored anew, once
    their runs are there.
    """

    names: tuple[str, ...]
    settings: tuple[str, ...]
    device: str
    slots: int
    items: tuple[WorkItem, ...]
    free: int
    identified: bool
    rerankings: int

    @cached_property
    def rows(self) -> dict[str, set[str]]:
        """The rows of each study that need a work item."""
        pairs = [pair for item in self.items for pair in item.rows]
        return {name: {row for of, row in pairs if of == name} for name in self.names}

    @property
    def runs(self) -> tuple[WorkItem, ...]:
        """The runs among the items."""
        return tuple(item for item in self.items if item.is_run)

    @property
    def open(self) -> tuple[WorkItem, ...]:
        """The items that are still to end."""
        return tuple(item for item in self.items if item.is_open)

    def count(self, state: State) -> int:
        """The number of runs in this state."""
        return sum(item.state == state for item in self.runs)

    @property
    def seconds(self) -> float | None:
        """The duration of the unfinished items: shared out among the slots, at least their longest chain."""
        known = {item.id: item.seconds for item in self.open}
        lengths = {name: length for name, length in known.items() if length is not None}
        if len(lengths) < len(known):
            return None
        chains = [sum(lengths.get(name, 0.0) for name in (*run.before, run.id)) for run in self.runs]
        return max([sum(lengths.values()) / self.slots, *chains])

    @property
    def unmeasured(self) -> tuple[WorkItem, ...]:
        """The unfinished items that were never measured on this device."""
        return tuple(item for item in self.open if item.seconds is None)


def forecast(
    experiments: Sequence[Experiment],
    requested: Sequence[RequestedCell],
    plan: Plan,
    results: Results,
    host: Host,
    identified: bool,
) -> Forecast:
    """The forecast of `requested`, whose missing tasks are in `plan`; reads records and starts nothing."""
    todo = {task.id for task in plan.tasks}
    owners = {owner.task: owner for owner in results.claims.owners() if not results.claims.looks_dead(owner)}
    users: dict[str, list[Use]] = {}
    for one in requested:
        run = one.cell.run
        *stages, last = run.recipe.stages()
        for stage in stages:
            users.setdefault(run.stage_id(stage), []).append((one, stage))
        users.setdefault(run.id, []).append((one, last))
    states = {name: _state(name, used, todo, owners, results) for name, used in users.items()}
    items = [_work_item(name, used, states[name], host.measured) for name, used in users.items()]
    order = [item for item in items if not item.is_run] + [item for item in items if item.is_run]
    again = sum(task.rerank for task in plan.tasks)
    names, settings = (tuple(one.name for one in experiments), tuple(one.setting for one in experiments))
    return Forecast(
        names, settings, host.device, host.slots, tuple(order), _free(results.root), identified, again
    )


def _work_item(name: str, used: Sequence[Use], state: tuple[State, str], measured: Throughput) -> WorkItem:
    one, stage = used[0]
    run = one.cell.run
    work = one.people and count_work(run.recipe, stage, one.people, run.limit_steps)
    pace = measured.pace(run.recipe, stage)
    return WorkItem(
        id=name,
        stage=stage,
        is_run=stage == run.recipe.stages()[-1],
        seed=run.seed,
        world=one.cell.inputs.world,
        rows=tuple((one.study, one.cell.row) for one, _ in used),
        state=state[0],
        detail=state[1],
        work=work or None,
        seconds=pace.seconds(work.images) if pace and work else None,
        size=measured.size(run.recipe, stage),
        before=tuple(run.stages_before(stage).values()),
    )


def _state(
    name: str, used: Sequence[Use], todo: set[str], owners: Mapping[str, Owner], results: Results
) -> tuple[State, str]:
    """The state of a run or stage, and the error of a failed one or the process of a running one."""
    one, stage = used[0]
    is_run = stage == one.cell.run.recipe.stages()[-1]
    if name in todo:
        if name in owners:
            return "running", str(owners[name])
        return "to do", BEGUN if has_checkpoint(name, results) else ""
    record: Record | None = results.find_run(name) if is_run else results.find_stage(name, with_weights=False)
    if record is None:
        return ("finished", OTHER_CODE) if is_run else ("not needed", "")
    if is_run and record["status"] == "failed":
        return "failed", record["error"]
    return "finished", "" if is_todays(record) else OTHER_CODE


def _free(folder: Path) -> int:
    there = next(one for one in (folder, *folder.resolve().parents) if one.is_dir())
    return shutil.disk_usage(there).free
