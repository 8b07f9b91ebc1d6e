"""Stored runs are opened again: the task and trainer of a record, and its trained model."""

from dataclasses import dataclass, fields

import torch

from harness.execution.training import prepare
from harness.execution.training_log import TrainingLog, ignore
from harness.inputs.spec import Inputs
from harness.plan.task import Task
from harness.store.record_file import WEIGHTS, Record
from harness.store.records import Results
from harness.store.run import Run
from pivl.errors import UserError, first_line
from pivl.evaluation.assessment import restore
from pivl.model import Trained
from pivl.train import Trainer


@dataclass(frozen=True)
class OpenedRun:
    """A stored run with its data and its trained model, in evaluation mode."""

    task: Task
    trainer: Trainer
    trained: Trained


def reopen(record: Record, results: Results, device: torch.device) -> tuple[Task, Trainer]:
    """The task and the trainer of a stored run. Raises UserError where its data are not what they were, or not there."""
    folder, run = results.run_folder(record["id"]), _run_of(record)
    if run.id != record["id"]:
        raise UserError(
            f"{folder}: an earlier version gave it another id; pivl-bench plan or run with its options renames it"
        )
    task = Task(run.id, run.id, "image-tower", run, _inputs_of(record))
    return task, prepare(task, results, device, TrainingLog(ignore))


def open_run(record: Record, results: Results, device: torch.device) -> OpenedRun:
    """A stored run with its model. Raises UserError where its weights or its pictures are not there."""
    folder = results.run_folder(record["id"])
    if WEIGHTS not in record["files"]:
        raise UserError(
            f"{folder}: it keeps no {WEIGHTS}, which the figure needs; re-ranked scores and trials of a search have none"
        )
    state = results.read_tensors(folder)
    task, trainer = reopen(record, results, device)
    try:
        return OpenedRun(task, trainer, restore(trainer, state))
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{folder}: its model does not fit this version ({first_line(error)}); run --redo trains it again"
        ) from error


def _run_of(record: Record) -> Run:
    """The run of a record. Raises UserError for choices that this version does not have."""
    named = {item.name: record[item.name] for item in fields(Run) if item.name in record}
    try:
        return Run.from_json(named)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{record['id']}: its recipe is of another version ({first_line(error)})") from error


def _inputs_of(record: Record) -> Inputs:
    """The inputs of a record. Raises UserError where it does not say what they were."""
    known = {item.name for item in fields(Inputs)}
    try:
        return Inputs(**{name: value for name, value in record["inputs"].items() if name in known})
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{record['id']}: the record does not say where its data lie; run it again"
        ) from error
