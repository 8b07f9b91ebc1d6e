"""Runs one task: trains, scores, and writes its record or its failure."""

import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from harness.display.text import describe_commit
from harness.execution.distributed import together
from harness.execution.health import gradient_shares, read_tokens, view
from harness.execution.scoring import finite, name_data, query_table, score_model, score_reranked
from harness.execution.training import StageTraining, Watch, prepare
from harness.execution.training_log import Send, TrainingLog
from harness.plan.task import Task
from harness.store.atomic import remove_folder
from harness.store.checkpoints import Checkpoints
from harness.store.claims import Owner
from harness.store.record_file import WEIGHTS, Record
from harness.store.records import Results
from harness.system.devices import peak_memory
from harness.system.provenance import describe_origin
from harness.system.worker_process import LAST_LINES
from pivl.deployment.card import ModelCard, describe_model
from pivl.errors import TrainingFailed, UserError, first_line
from pivl.recipe import Recipe, Stage
from pivl.train import Trainer


def execute(
    task: Task, results: Results, device: torch.device, send: Send, watch: Watch | None = None
) -> dict[str, float]:
    """Runs one task, stores its result and returns its metrics, none for a stage. Raises TrainingFailed, UserError.

    `watch` is told the score of every epoch, and only of held-out people: the test people are scored once, after the
    last. The weights of a run that was watched are not kept.
    """
    if watch and task.inputs.held_out is None:
        raise ValueError("only runs whose test identities are held out may be watched")
    run = task.run
    monitor = TrainingLog(send, run.limit_steps)
    record: Record = {"id": task.id, "status": "finished", **describe_origin(device), **_what(task)}
    files: dict[str, Callable[[Path], object]] = {}
    folder, metrics = results.stage_folder(task.id), {}
    if task.rerank:
        trainer = prepare(task, results, device, monitor)
        state = results.read_tensors(results.run_folder(run.id))
    else:
        with together(task, results, device):
            training = StageTraining.of(task, results, device, monitor, watch)
            state, traits = training.run()
        trainer, record = training.trainer, {**record, **traits}
        if watch is None:
            files[WEIGHTS] = lambda path: path.write_bytes(save(state))
        files["history.jsonl"] = lambda path: path.write_text(
            "".join(json.dumps(x) + "\n" for x in monitor.history)
        )
    if task.is_run or task.rerank:
        send({"event": "phase", "phase": "scoring"})
        if task.rerank:
            found, retrieval = score_reranked(trainer, state)
        else:
            found, retrieval = score_model(trainer, state, read_tokens(run, results), view(task, device))
            found["health"] |= finite(gradient_shares(monitor.history))
        table = query_table(retrieval, trainer.split.query.cluster.cpu().numpy())
        files["queries.parquet"] = lambda path: table.to_parquet(path, index=False)
        folder = results.reranked_folder(run.id) if task.rerank else results.run_folder(run.id)
        metrics = found["metrics"]
        record |= found
    if task.is_run and watch is None:
        files["model.json"] = _describe(trainer, state, record).write
    record["codes"] = _codes(task, record, results)
    record["cost"] = _cost(monitor, device)
    results.write(folder, record, files)
    if task.is_run and results.reranked_folder(run.id).exists():
        remove_folder(results.reranked_folder(run.id))  # it is of weights that are no more
    Checkpoints.of(task.id, task.interval, results).remove()
    return metrics


def _describe(trainer: Trainer, state: Mapping[str, Tensor], record: Record) -> ModelCard:
    """The description by which the model is loaded without its record."""
    recipe = trainer.recipe
    return describe_model(
        recipe,
        None if recipe.student else trainer.clip.architecture.vision,
        state,
        training_data=name_data(trainer.split),
        signature=record["signature"],
        commit=describe_commit(record["commit"], record["dirty"]),
    )


def _what(task: Task) -> Record:
    run = task.run
    return {
        "stage": task.stage,
        "stages": run.stages_before(task.stage),
        "seed": run.seed,
        "recipe": asdict(run.recipe),
        "dataset": run.dataset,
        "fingerprint": run.fingerprint,
        **({"maps": run.maps} if run.maps else {}),
        "weights": run.weights,
        **({"student_weights": run.student_weights} if run.recipe.student else {}),
        "inputs": {**asdict(task.inputs), "called": task.inputs.called, "partial": dict(task.partial)},
        **({} if run.limit_steps is None else {"limit_steps": run.limit_steps}),
    }


def _codes(task: Task, record: Record, results: Results) -> list[str]:
    """The digests of all code that the task's weights owe to: its own, that of the stages before it, and of earlier ones.

    Empty stands for code from before records had a digest.
    """
    found = {record["code"], *(one.get("code", "") for one in record.get("earlier", ()))}
    folders = [results.stage_folder(stage_id) for stage_id in record["stages"].values()]
    folders += [results.run_folder(task.run.id)] if task.rerank else []
    for folder in folders:
        found.update((results.read_record(folder) or {}).get("codes", [""]))
    return sorted(found)


def _cost(monitor: TrainingLog, device: torch.device) -> Record:
    rate = round(monitor.images / monitor.seconds, 1) if monitor.seconds else 0.0
    seconds, memory = round(monitor.elapsed, 2), peak_memory(device)
    return {"seconds": seconds, "images_per_second": rate, "peak_memory_mb": memory}


def describe_shortage(recipe: Recipe, stage: Stage) -> str:
    """Advice for a GPU that has too little memory for `stage`."""
    smaller = f"--set people_per_batch={max(2, recipe.people_per_batch // 2)}"
    if stage != "image-tower":
        half = max(1, recipe.batch_size(stage) // recipe.images_per_person // 2) * recipe.images_per_person
        smaller = f"--set prompt_batch={half}"
    precise = "--precision bf16, or else " if recipe.precision == "fp32" else ""
    batch = f"{recipe.batch_size(stage)} images in {recipe.precision}"
    return f"CUDA out of memory in {stage}, with batches of {batch}; try {precise}{smaller}"


def record_failure(task: Task, error: Exception, results: Results, of_run: bool) -> str:
    """Writes `error` as the failure of the task's run, and returns it in one line.

    of_run: whether the run itself has failed; where it is a stage that several runs start from, nothing is written.
    """
    said = first_line(error if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}")
    if isinstance(error, torch.OutOfMemoryError):
        said = describe_shortage(task.run.recipe, task.stage)
    if of_run:
        lines = "".join(traceback.format_exception(error)).splitlines()[-LAST_LINES:]
        results.write_failure(task.run, said, lines)
    return said


def attempt(task: Task, results: Results, device: torch.device, send: Send) -> dict[str, Any]:
    """Runs one task under its claim, records its failure and returns its closing event. Raises UserError."""
    began, claim = time.monotonic(), results.claims.take(task.id)
    if isinstance(claim, Owner):
        return {"event": "owned", "owner": str(claim)}
    with claim:
        try:
            if task.is_stored(results):
                return {"event": "found"}
            metrics = execute(task, results, device, send)
        except (UserError, BrokenPipeError):
            raise
        except Exception as error:  # whatever it is, it is this run's failure and not the next one's
            return {"event": "failed", "error": record_failure(task, error, results, task.is_run)}
    return {"event": "done", "metrics": metrics, "seconds": time.monotonic() - began}
