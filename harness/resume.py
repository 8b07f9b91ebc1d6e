"""A stage of a task, trained from where a process before this one left it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from harness.checkpoints import Checkpoint, Checkpoints
from harness.monitor import Monitor
from harness.records import Record
from pivl.loop import Step
from pivl.recipe import Stage
from pivl.snapshot import Snapshot, UnfitSnapshot
from pivl.train import Trainer, run_stage


def train_stage(
    trainer: Trainer, stage: Stage, before: Mapping[Stage, Mapping[str, Tensor]],
    checkpoints: Checkpoints, monitor: Monitor, origin: Record,
) -> tuple[dict[str, Tensor], list[Record]]:  # fmt: skip
    """Run `stage` from its newest checkpoint, where it has one, and keep checkpoints as it goes.

    Its tensors, and the origins of the processes that began it where they differ from `origin` in more than the date.
    Raises UserError when the disk refuses a checkpoint.
    """
    here = {name: value for name, value in origin.items() if name != "date"}

    def train(begun: Checkpoint) -> tuple[dict[str, Tensor], list[Record]]:
        earlier = [one for one in begun.origins if one != here]

        def keep(step: Step, take: Callable[[], Snapshot]) -> None:
            if checkpoints.is_due(step):
                checkpoints.write(Checkpoint(take(), monitor.kept(), [*earlier, here]))

        monitor.go_on(begun.account)
        monitor.begin(stage)
        return run_stage(replace(trainer, keep=keep, resume=begun.snapshot), stage, before), earlier

    try:
        return train(checkpoints.read())
    except UnfitSnapshot as error:
        checkpoints.warn(f"{checkpoints.folder} cannot be gone on from, {error}; the stage begins anew")
        return train(Checkpoint())
