"""One process that does tasks: `python -m harness.execute TASK.json` for one, or one a line on standard input.

It writes stages and finished runs to the results folder and tells what goes on as JSON lines on standard output.
Loading torch takes seconds, so the launcher lets a process take task after task; a crash costs only the task at
hand. The process ends when its input does, or when nobody reads its output any more.
"""

import argparse
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save

from harness.inputs import find_checkpoint, find_config
from harness.origin import choose_device, describe_device, peak_memory, read_commit, suitable_slots, versions
from harness.plan import Task
from harness.records import Record, Results
from pivl.assessment import Assessment, assess, restore
from pivl.data.pictures import Split
from pivl.errors import TrainingFailed, UserError
from pivl.evaluation import Retrieval
from pivl.loop import Step
from pivl.people import benchmark
from pivl.recipe import Stage
from pivl.towers.clip import Clip, ImageInput
from pivl.towers.weights import load_clip
from pivl.train import Trainer, run_stage

Send = Callable[[Mapping[str, Any]], None]
REPORT_INTERVAL = 0.25  # seconds between step events; the history keeps every step
LAST_LINES = 20


@dataclass
class Monitor:
    """Keeps the loss terms of every step and sends some of them on, with rate and time left."""

    send: Send
    history: list[Record] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0  # spent in training steps
    _stage: str = ""
    _began: float = 0.0
    _last: float = 0.0
    _stage_images: int = 0
    _sent: float = 0.0

    def begin(self, stage: str) -> None:
        """Start the clock of `stage`."""
        self._stage, self._stage_images = stage, 0
        self._began = self._last = time.monotonic()

    def report(self, stage: str, step: Step) -> None:
        """Take one step; called by the training core after each."""
        if stage != self._stage:
            self.begin(stage)
        now = time.monotonic()
        self.seconds += now - self._last
        self._last = now
        self._stage_images += step.images
        self.images += step.images
        place = {"stage": stage, "epoch": step.epoch, "step": step.step}
        terms = {name: float(value) for name, value in step.terms.items()}
        self.history.append({**place, "factor": step.factor, "terms": terms})
        if now - self._sent >= REPORT_INTERVAL:
            self._sent = now
            done = (step.epoch - 1 + step.step / step.steps) / step.epochs
            elapsed = now - self._began or 1e-9
            rate, left = self._stage_images / elapsed, elapsed * (1 - done) / done
            self.send(
                {"event": "step", **place, "epochs": step.epochs, "terms": terms, "rate": rate, "left": left}
            )


def execute(task: Task, results: Results, device: torch.device, send: Send) -> str:
    """Do one task, store what comes of it and say in a few words what that is. TrainingFailed, UserError."""
    began, run = time.monotonic(), task.run
    send({"event": "phase", "phase": "loading"})
    split, clip = _load_split(run.dataset), _load_clip(run.recipe.backbone, run.recipe.image_size)
    if split.fingerprint != run.fingerprint:
        raise UserError(f"{run.dataset} is no longer what it was when this began; run the command again")
    before = {stage: results.read_stage(stage_id) for stage, stage_id in _stages_before(task).items()}
    monitor = Monitor(send)
    monitor.begin(task.stage)
    trainer = Trainer(run.recipe, split, clip, run.seed, device, monitor.report)
    state = run_stage(trainer, task.stage, before)
    record: Record = {"id": task.id, "status": "finished", **_origin(device), **_what(task)}
    files: dict[str, Callable[[Path], object]] = {
        "model.safetensors": lambda path: path.write_bytes(save(state)),
        "history.jsonl": lambda path: path.write_text("".join(json.dumps(x) + "\n" for x in monitor.history)),
    }
    if not task.is_run:
        record["cost"] = _cost(began, monitor, device)
        results.write(results.stage_folder(task.id), record, files)
        return "stored"
    send({"event": "phase", "phase": "scoring"})
    assessment = assess(trainer, restore(trainer, state))
    metrics = summarize(assessment, split)
    record |= {"metrics": finite(metrics), "signature": signature(split, assessment.retrieval)}
    record["cost"] = _cost(began, monitor, device)
    files["queries.parquet"] = lambda path: query_table(assessment.retrieval).to_parquet(path, index=False)
    results.write(results.run_folder(task.id), record, files)
    return f"mAP {metrics['mAP']:.1f}, Rank-1 {metrics['rank1']:.1f}"


def query_table(retrieval: Retrieval) -> pd.DataFrame:
    """A line per scored query: query, person, camera, average_precision, first_match, inp."""
    names = ("query", "person", "camera", "average_precision", "first_match", "inp")
    return pd.DataFrame({name: getattr(retrieval, name) for name in names})


def summarize(assessment: Assessment, split: Split) -> dict[str, float]:
    """mAP, Rank-1, -5, -10, mINP and the shares among the consistency figures in percent; margins are cosines."""
    retrieval = assessment.retrieval
    ranks = {f"rank{k}": 100 * retrieval.cmc(k) for k in (1, 5, 10)}
    parts = assessment.consistency_metrics(split.labels.flip_pairs)
    shares = {name: 100 * value for name, value in parts.items() if name.endswith(("accuracy", "majority"))}
    return {"mAP": 100 * retrieval.map, **ranks, "mINP": 100 * retrieval.mean_inp, **parts, **shares}


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """The metrics as JSON can hold them: a figure that is not defined, NaN, becomes null."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def signature(split: Split, retrieval: Retrieval) -> str:
    """What the numbers mean; only numbers with one signature stand in one table."""
    data = f"{split.name}@{split.fingerprint[:6]}|q{len(retrieval.query)} g{len(split.gallery)}"
    return f"mAP|{data}|junk:same-camera|feat:before-neck|dist:euclid-l2|rerank:none"


def _what(task: Task) -> Record:
    run = task.run
    return {
        "stage": task.stage,
        "stages": _stages_before(task),
        "seed": run.seed,
        "recipe": asdict(run.recipe),
        "dataset": run.dataset,
        "fingerprint": run.fingerprint,
        "weights": run.weights,
    }


def _stages_before(task: Task) -> dict[Stage, str]:
    """The ids of the stages that the task starts from."""
    stages = task.run.recipe.stages()
    return {stage: task.run.stage_id(stage) for stage in stages[: stages.index(task.stage)]}


def _origin(device: torch.device) -> Record:
    commit, dirty = read_commit()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "device": describe_device(device),
        "versions": versions(),
        "commit": commit,
        "dirty": dirty,
        "date": date,
    }


def _cost(began: float, monitor: Monitor, device: torch.device) -> Record:
    rate = monitor.images / monitor.seconds if monitor.seconds else 0.0
    seconds = round(time.monotonic() - began, 2)
    return {"seconds": seconds, "images_per_second": round(rate, 1), "peak_memory_mb": peak_memory(device)}


@lru_cache(maxsize=1)
def _load_split(name: str) -> Split:
    return benchmark.load(find_config(name))


@lru_cache(maxsize=1)
def _load_clip(backbone: str, image_size: tuple[int, int]) -> Clip:
    return load_clip(find_checkpoint(backbone), ImageInput(image_size))


def serve(tasks: Iterable[Mapping[str, Any]], results: Results, device: torch.device, send: Send) -> bool:
    """Do tasks one after the other; whether all went well. A UserError ends it: no other task would fare better."""
    well = True
    for value in tasks:
        began = time.monotonic()
        try:
            summary = execute(Task.from_json(value), results, device, send)
            send({"event": "done", "summary": summary, "seconds": time.monotonic() - began})
        except UserError as error:
            send({"event": "user-error", "message": str(error)})
            return False
        except BrokenPipeError:
            raise
        except Exception as error:  # whatever it is, it is this run's failure and not the next one's
            lines = traceback.format_exc().splitlines()[-LAST_LINES:]
            kind = "" if isinstance(error, TrainingFailed) else f"{type(error).__name__}: "
            send({"event": "failed", "error": f"{kind}{error}".splitlines()[0], "lines": lines})
            well = False
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a process of its own; 0 when every task ended well, 1 when one failed, 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m harness.execute", description=__doc__)
    parser.add_argument("task", nargs="?", type=Path, help="a file with one task; standard input without it")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args(arguments)
    send = _take_stdout()
    results = Results(asked.results, lambda text: send({"event": "warning", "message": text}))
    try:
        device = choose_device(asked.device)
        send({"event": "ready", "slots": suitable_slots(device)})
        torch.set_num_threads(1)
        lines = [asked.task.read_text()] if asked.task else sys.stdin
        return 0 if serve((json.loads(line) for line in lines), results, device, send) else 1
    except UserError as error:
        send({"event": "user-error", "message": str(error)})
        return 2
    except BrokenPipeError:
        return 1  # nobody listens any more: the launcher is gone


def _take_stdout() -> Send:
    """Keep standard output for events; whatever else prints goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def send(event: Mapping[str, Any]) -> None:
        channel.write(json.dumps(event) + "\n")

    return send


if __name__ == "__main__":
    sys.exit(main())
