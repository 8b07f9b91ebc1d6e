"""Trains the stage of a task, resuming from its checkpoint."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor

from harness.execution.training_log import TrainingLog, ignore
from harness.inputs.loading import load, load_start, load_student_start
from harness.inputs.own_code import load_code
from harness.inputs.spec import Inputs
from harness.plan.task import Task
from harness.store.checkpoints import NEVER, Checkpoint, Checkpoints
from harness.store.record_file import Record
from harness.store.records import Results
from harness.system.devices import check_precision
from harness.system.provenance import describe_origin
from pivl.data.pictures import Split
from pivl.errors import UserError
from pivl.evaluation.assessment import retrieve
from pivl.evaluation.retrieval import rank
from pivl.loop import Step
from pivl.model import Trained
from pivl.recipe import Stage
from pivl.snapshot import Snapshot, UnfitSnapshot
from pivl.system import data_parallel
from pivl.towers.clip import Clip
from pivl.train import AfterEpoch, Trainer, run_stage

Watch = Callable[[int, float], object]
"""Takes an epoch of stage 2, from 1, and the mAP after it in percent; may raise to end the training."""


def prepare(task: Task, results: Results, device: torch.device, monitor: TrainingLog) -> Trainer:
    """The trainer and scorer of the task's run.

    Raises UserError if the images no longer match the run's fingerprint.
    """
    run = task.run
    check_precision(device, run.recipe.precision)
    monitor.send({"event": "phase", "phase": "loading"})
    split = load_split(task.inputs, run.recipe.image_size, run.recipe.align_pixels == "confidence")
    clip = load_clip(task.inputs, run.recipe.image_size, run.recipe.patch_stride)
    if split.fingerprint != run.fingerprint or run.maps not in ("", split.maps):
        raise UserError(f"{run.dataset} is no longer what it was when this began; run the command again")
    student = _load_student(task.inputs, run.recipe.student, run.recipe.image_size)
    own = load_code(run.recipe, results)
    return Trainer(run.recipe, split, clip, run.seed, device, monitor.report, run.limit_steps, student, own)


@dataclass(frozen=True)
class StageTraining:
    """The training of `stage` by a trainer, from the tensors of the stages `before` it, with checkpoints.

    origin: what a record says of this process (describe_origin). `after_epoch` is for stage 2.
    """

    trainer: Trainer
    stage: Stage
    before: Mapping[Stage, Mapping[str, Tensor]]
    checkpoints: Checkpoints
    monitor: TrainingLog
    origin: Record
    after_epoch: AfterEpoch | None = None

    @classmethod
    def of(
        cls, task: Task, results: Results, device: torch.device, monitor: TrainingLog,
        watch: Watch | None = None,
    ) -> "StageTraining":  # fmt: skip
        """Returns the training of a task's stage, by one of the task's ranks."""
        trainer = prepare(task, results, device, monitor)

        def score(epoch: int, trained: Trained) -> None:
            if watch is not None:
                watch(epoch, 100 * retrieve(trainer, trained, rank).map)

        earlier_stages = task.run.stages_before(task.stage)
        before = {stage: results.read_stage(stage_id) for stage, stage_id in earlier_stages.items()}
        checkpoints = Checkpoints.of(task.id, task.interval, results)
        if data_parallel.number() > 0:
            checkpoints.interval = NEVER  # rank 0 has the same to store
        after_epoch = None if watch is None else score
        return cls(trainer, task.stage, before, checkpoints, monitor, describe_origin(device), after_epoch)

    def run(self) -> tuple[dict[str, Tensor], Record]:
        """Trains the stage from its newest checkpoint, if there is one that fits, and writes checkpoints.

        Returns its tensors, and what a record says of how it went: `ranks`, where there were several, and `earlier`, the
        origins of the processes that began it, where they differ from this one's in more than the date. Raises UserError
        when the disk refuses a checkpoint.
        """
        begun = self.checkpoints.read()
        here = {name: value for name, value in self.origin.items() if name != "date"}
        while True:
            earlier = [one for one in begun.origins if one != here]
            self.monitor.go_on(begun.account)
            self.monitor.begin(self.stage)
            keep = partial(self._keep, [*earlier, here])
            try:
                state = run_stage(
                    self.trainer, self.stage, self.before, keep, begun.snapshot, self.after_epoch
                )
            except UnfitSnapshot as error:
                folder = self.checkpoints.folder
                self.checkpoints.warn(f"{folder} cannot be continued from: {error}; the stage starts again")
                begun = Checkpoint()
            else:
                ranks = data_parallel.count()
                return state, {
                    **({"ranks": ranks} if ranks > 1 else {}),
                    **({"earlier": earlier} if earlier else {}),
                }

    def _keep(self, origins: list[Record], step: Step, take: Callable[[], Snapshot]) -> None:
        """Writes a checkpoint after `step` where one is due."""
        if self.checkpoints.is_due(step):
            self.checkpoints.write(Checkpoint(take(), self.monitor.kept(), origins))


def follow(tasks: Iterable[Task], results: Results, device: torch.device) -> None:
    """Trains tasks as another rank than 0; an error ends the process, and with it the task on all ranks."""
    for task in tasks:
        StageTraining.of(task, results, device, TrainingLog(ignore)).run()


@lru_cache(maxsize=1)
def load_split(inputs: Inputs, size: tuple[int, int], confidence: bool) -> Split:
    """The decoded data of `inputs`, those of the last call kept."""
    return load(inputs, size, confidence=confidence)


@lru_cache(maxsize=1)
def load_clip(inputs: Inputs, image_size: tuple[int, int], patch_stride: int) -> Clip:
    """The frozen CLIP of `inputs`, that of the last call kept."""
    return load_start(inputs, image_size, patch_stride)


@lru_cache(maxsize=1)
def _load_student(inputs: Inputs, student: str, image_size: tuple[int, int]) -> dict[str, Tensor] | None:
    return load_student_start(inputs, student, image_size) if student else None
