"""Health of a run as its record keeps it, after training and of stored runs from before it was measured."""

import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import torch

from harness.execution.scoring import finite, score_model
from harness.execution.stored_run import reopen
from harness.execution.training import load_clip, load_split
from harness.inputs.spec import Inputs
from harness.plan.task import Task
from harness.store.record_file import WEIGHTS, Record
from harness.store.records import Results
from harness.store.run import Run
from harness.system.provenance import describe_origin
from pivl.errors import UserError, first_line
from pivl.evaluation.health import FrozenView, Tokens, view_frozen
from pivl.recipe import Recipe, Stage

SEEN_BY = ("backbone", "image_size", "normalization", "patch_stride", "precision")
"""The recipe's fields on which the frozen CLIP's view of the training pictures depends."""


def read_tokens(run: Run, results: Results) -> Tokens:
    """The identity tokens that the stages before stage 2 left. Raises UserError if they are not as written."""
    stages: Mapping[Stage, str] = run.stages_before("image-tower")
    return {stage: results.read_stage(stage_id)["tokens"] for stage, stage_id in stages.items()}


def view(task: Task, device: torch.device) -> FrozenView:
    """The frozen CLIP's view of the training pictures of a task; the last one is kept for the runs that share it."""
    recipe = task.run.recipe
    return _view(
        task.inputs, Recipe(**{name: getattr(recipe, name) for name in SEEN_BY}),
        recipe.align_pixels == "confidence", device,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _view(inputs: Inputs, recipe: Recipe, confidence: bool, device: torch.device) -> FrozenView:
    split = load_split(inputs, recipe.image_size, confidence)
    return view_frozen(recipe, split, load_clip(inputs, recipe.image_size, recipe.patch_stride), device)


def gradient_shares(history: Sequence[Record]) -> dict[str, float]:
    """The share of each term in the gradients of the terms, in percent, at the start of the first and the last epoch."""
    measured = [point["gradients"] for point in history if "gradients" in point]
    if not measured:
        return {}
    return {
        f"gradient_{name}_{when}": 100 * norm / (sum(norms.values()) or 1.0)
        for when, norms in (("first", measured[0]), ("last", measured[-1]))
        for name, norm in norms.items()
    }


def unmeasured(results: Results) -> list[Record]:
    """The records of finished runs that keep their model and have no health; trials of a search keep no model."""
    found = (record for _, record in results.records("runs"))
    return [
        record
        for record in found
        if record["status"] == "finished" and "health" not in record and WEIGHTS in record["files"]
    ]


def measure_stored(record: Record, results: Results, device: torch.device) -> None:
    """Measures the health of a stored run from its model and stages, and writes it into the run's record.

    Raises UserError where one of them is not there as it was written, or the data are no longer the run's.
    """
    folder = results.run_folder(record["id"])
    task, trainer = reopen(record, results, device)
    run = task.run
    state, tokens = results.read_tensors(folder), read_tokens(run, results)
    try:
        found, _ = score_model(trainer, state, tokens, view(task, device))
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{folder}: its model does not fit this version ({first_line(error)}); run --redo trains it again"
        ) from error
    health = found["health"] | finite(gradient_shares(results.read_history(folder)))
    copies = {name: partial(shutil.copyfile, folder / name) for name in record["files"]}
    measured = {**record, "health": health, "health_measured": describe_origin(device)}
    results.write(folder, measured, copies)
