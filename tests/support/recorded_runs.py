"""Runs as the harness stores them, made in milliseconds: real files with scores that were drawn, not trained."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.checkpoints import Checkpoint
from harness.store.records import Results
from harness.store.run import Run
from pivl.snapshot import Snapshot

SIGNATURE = "mAP|drawn-v1@000000|q12 g12|junk:same-camera|feat:before-neck|dist:euclid-l2|rerank:none"
HERE = {"device": "here", "date": "today"}


def complain(text: str) -> None:
    """A `warn` for results in which nothing may be found broken."""
    raise AssertionError(text)


def draw_run(row: str = "clip-reid", seed: int = 0, **changes: object) -> Run:
    """A run of a row of the ablation on data that do not exist."""
    experiment = resolve(Request("ablation", precision="fp32"))
    recipe = next(experiment.recipe(one) for one in experiment.study.rows if one.name == row)
    return Run(replace(recipe, **changes), "drawn", "0" * 12, "f" * 64, seed)


def write_finished(results: Results, run: Run, seed: int = 0, **extra: object) -> Path:
    """Store `run` as finished with scores of 12 queries of 6 people, and `extra` in its record; the folder."""
    draw = np.random.default_rng(seed)
    queries = pd.DataFrame(
        {
            "query": np.arange(12),
            "person": np.repeat(np.arange(6), 2),
            "camera": np.tile(np.arange(2), 6),
            "average_precision": draw.random(12),
            "first_match": draw.integers(0, 5, 12),
            "inp": draw.random(12),
        }
    )
    steps = [
        {"stage": "image-tower", "epoch": e, "step": s, "factor": 1.0, "terms": {"identity": 1 / (e + s)}}
        for e in (1, 2)
        for s in (1, 2, 3)
    ]
    record = {
        "id": run.id,
        "status": "finished",
        "stage": "image-tower",
        "stages": {stage: run.stage_id(stage) for stage in run.recipe.stages()[:-1]},
        **_origin(run),
        "metrics": {"mAP": 100 * float(queries["average_precision"].mean()), "part_margin": None},
        "signature": SIGNATURE,
        **extra,
    }
    folder = results.run_folder(run.id)
    results.write(
        folder,
        record,
        {
            "queries.parquet": lambda path: queries.to_parquet(path, index=False),
            "history.jsonl": lambda path: path.write_text("".join(json.dumps(step) + "\n" for step in steps)),
            "model.safetensors": lambda path: path.write_bytes(save({"weight": torch.zeros(3)})),
        },
    )
    return folder


def write_failed(results: Results, run: Run, error: str = "it broke") -> Path:
    """Store `run` as failed; the folder."""
    record = {"id": run.id, "status": "failed", "seed": run.seed, "error": error, "lines": ["last", "words"]}
    results.write(results.run_folder(run.id), record, {})
    return results.run_folder(run.id)


def _origin(run: Run) -> dict[str, object]:
    """What the records of a run and of its stages have in common."""
    return {
        "seed": run.seed,
        "recipe": asdict(run.recipe),
        "dataset": run.dataset,
        "fingerprint": run.fingerprint,
        **({"maps": run.maps} if run.maps else {}),
        "weights": run.weights,
        "device": "cpu (drawn)",
        "commit": "0123456789ab",
        "dirty": False,
        "date": "2026-11-24T06:00:00+00:00",
        "cost": {"seconds": 3.5, "images_per_second": 200.0, "peak_memory_mb": 500},
    }


def write_stage(results: Results, run: Run, stage: str, **extra: object) -> Path:
    """Store `stage` of `run` with one small tensor, and `extra` in its record; the folder."""
    folder = results.stage_folder(run.stage_id(stage))
    content = save({"tokens": torch.arange(4.0)})
    results.write(
        folder,
        {"id": folder.name, "status": "finished", "stage": stage, **_origin(run), **extra},
        {"model.safetensors": lambda path: path.write_bytes(content)},
    )
    return folder


def checkpoint(steps: int) -> Checkpoint:
    """A checkpoint of a training that does not exist, after so many steps."""
    facts = {"place": [2, 1, steps], "scaler": {"scale": 65536.0}}
    tensors = {"trained.tokens": torch.full((3, 2), 1 / steps), "stream.batches": torch.arange(5).byte()}
    account = {"history": [{"step": steps}], "images": 4 * steps, "seconds": 0.5, "elapsed": 1.5}
    return Checkpoint(Snapshot("image-tower", tensors, facts), account, [HERE])
