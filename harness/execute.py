"""One process that does tasks: `python -m harness.execute TASK.json` for one, or one a line on standard input.

It writes stages and finished runs to the results folder and tells what goes on as JSON lines on standard output.
Loading torch takes seconds, so the launcher lets a process take task after task; a crash costs only the task at
hand. The process ends when its input does, at once: then the launcher that gave it tasks is gone.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from harness.checkpoints import Checkpoints
from harness.claims import Claims, Owner
from harness.monitor import Monitor, Send, ignore
from harness.origin import begin_computing, choose_device, describe_origin, peak_memory, suitable_slots
from harness.plan import Task
from harness.ranks import join_by_environment, together
from harness.records import Record, Results
from harness.scores import query_table, score_model
from harness.training import Watch, follow, prepare, stages_before, train
from pivl import ranks
from pivl.errors import TrainingFailed, UserError
from pivl.recipe import Recipe, Stage

LAST_LINES = 20


def execute(
    task: Task, results: Results, device: torch.device, send: Send, watch: Watch | None = None
) -> str:
    """Do one task, store what comes of it and say in a few words what that is. TrainingFailed, UserError.

    `watch` is told the score of every epoch, and only of held-out people: the test people are scored once, after the
    last. The weights of a run that was watched are not kept.
    """
    if watch and task.inputs.held_out is None:
        raise ValueError("only runs whose test people are held out may be watched")
    monitor, run = Monitor(send), task.run
    record: Record = {"id": task.id, "status": "finished", **describe_origin(device), **_what(task)}
    files: dict[str, Callable[[Path], object]] = {}
    folder, summary = results.stage_folder(task.id), "stored"
    if task.rerank:
        trainer, state = prepare(task, device, monitor), results.read_tensors(results.run_folder(run.id))
    else:
        with together(task, results, device):
            trainer, state, traits = train(task, results, device, monitor, watch)
        record |= traits
        if watch is None:
            files["model.safetensors"] = lambda path: path.write_bytes(save(state))
        files["history.jsonl"] = lambda path: path.write_text(
            "".join(json.dumps(x) + "\n" for x in monitor.history)
        )
    if task.is_run or task.rerank:
        send({"event": "phase", "phase": "scoring"})
        found, retrieval = score_model(trainer, state, task.rerank)
        files["queries.parquet"] = lambda path: query_table(retrieval).to_parquet(path, index=False)
        folder = results.reranked_folder(run.id) if task.rerank else results.run_folder(run.id)
        summary = f"mAP {found['metrics']['mAP']:.1f}, Rank-1 {found['metrics']['rank1']:.1f}"
        record |= found
    record["codes"] = _codes(task, record, results)
    record["cost"] = _cost(monitor, device)
    results.write(folder, record, files)
    Checkpoints.of(task, results).remove()
    return summary


def _what(task: Task) -> Record:
    run = task.run
    return {
        "stage": task.stage,
        "stages": stages_before(task),
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


def _cost(monitor: Monitor, device: torch.device) -> Record:
    rate = round(monitor.images / monitor.seconds, 1) if monitor.seconds else 0.0
    seconds, memory = round(monitor.elapsed, 2), peak_memory(device)
    return {"seconds": seconds, "images_per_second": rate, "peak_memory_mb": memory}


def describe_shortage(recipe: Recipe, stage: Stage) -> str:
    """What to try when the GPU's memory did not suffice for `stage`."""
    pictures = recipe.people_per_batch * recipe.images_per_person
    batch, smaller = f"{pictures} pictures", f"--set people_per_batch={max(2, recipe.people_per_batch // 2)}"
    if stage != "image-tower":
        half = max(1, recipe.prompt_batch // recipe.images_per_person // 2) * recipe.images_per_person
        batch, smaller = f"{recipe.prompt_batch} pictures", f"--set prompt_batch={half}"
    precise = "--precision bf16, or else " if recipe.precision == "fp32" else ""
    return f"CUDA out of memory in {stage}, with batches of {batch} in {recipe.precision}; try {precise}{smaller}"


def serve(tasks: Iterable[Mapping[str, Any]], results: Results, device: torch.device, send: Send) -> bool:
    """Do tasks one after the other; whether all went well. A UserError ends it: no other task would fare better."""
    well = True
    for value in tasks:
        try:
            event = attempt(Task.from_json(value), results, device, send)
        except UserError as error:
            send({"event": "user-error", "message": str(error)})
            return False
        send(event)
        well = well and event["event"] != "failed"
    return well


def attempt(task: Task, results: Results, device: torch.device, send: Send) -> dict[str, Any]:
    """Do one task as its only owner and record its failure; the event that says how it ended. UserError."""
    began, claim = time.monotonic(), results.claims.take(task.id)
    if isinstance(claim, Owner):
        return {"event": "owned", "owner": str(claim)}
    with claim:
        try:
            stored = task.is_stored(results)
            summary = "done by another command" if stored else execute(task, results, device, send)
        except (UserError, BrokenPipeError):
            raise
        except Exception as error:  # whatever it is, it is this run's failure and not the next one's
            kind = "" if isinstance(error, TrainingFailed) else f"{type(error).__name__}: "
            said = f"{kind}{error}".splitlines()[0]
            if isinstance(error, torch.OutOfMemoryError):
                said = describe_shortage(task.run.recipe, task.stage)
            if task.is_run:
                results.write_failure(task.run, said, traceback.format_exc().splitlines()[-LAST_LINES:])
            return {"event": "failed", "error": said}
    return {"event": "done", "summary": summary, "seconds": time.monotonic() - began}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a process of its own; 0 when every task ended well, 1 when one failed, 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m harness.execute", description=__doc__)
    parser.add_argument("task", nargs="?", type=Path, help="a file with one task; standard input without it")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args(arguments)
    send = ignore if os.environ.get("RANK", "0") != "0" else take_stdout()
    results = Results(asked.results, lambda text: send({"event": "warning", "message": text}))
    try:
        device = choose_device(asked.device)
        send({"event": "ready", "device": device.type, "slots": suitable_slots(device)})
        begin_computing()
        lines = [asked.task.read_text()] if asked.task else hear_launcher(results.claims)
        tasks = (json.loads(line) for line in lines)
        join_by_environment(device)
        if ranks.number() > 0:
            follow(tasks, results, device)
            return 0
        return 0 if serve(tasks, results, device, send) else 1
    except UserError as error:
        send({"event": "user-error", "message": str(error)})
        return 2
    except BrokenPipeError:
        return 1  # nobody listens any more: the launcher is gone


def hear_launcher(claims: Claims) -> Iterator[str]:
    """The lines of standard input. At its end the launcher is gone, and this process with it, whatever it is at."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        claims.leave()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield lines.get()


def take_stdout() -> Send:
    """Keep standard output for events; whatever else prints goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def send(event: Mapping[str, Any]) -> None:
        channel.write(json.dumps(event) + "\n")

    return send


if __name__ == "__main__":
    sys.exit(main())
