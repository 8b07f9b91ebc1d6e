"""Finished runs with drawn scores, for the time that a table or a plan takes on them."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity
from harness.inputs.spec import DataIdentity
from harness.plan.planner import cells_of
from harness.store.records import Results
from harness.store.run import Run
from harness.system.provenance import versions

QUERIES, PEOPLE = 1200, 200  # the embedded benchmark's
FOUND = DataIdentity("0" * 12, "")


def record_drawn_runs(folder: Path, count: int) -> str:
    """Records runs of the ablation in `folder` until there are `count`; the seeds, as they are typed."""
    results = Results(folder, lambda text: None)
    rows = len(resolve(Request("ablation")).rows)
    experiment = replace(resolve(Request("ablation")), seeds=tuple(range(-(-count // rows))))
    data = experiment.all_inputs(experiment.shown)
    for one in data:
        identity.remember(one, experiment.size, FOUND, results)
    weights = identity.weights_digest(experiment.inputs, results)
    for cell in cells_of(experiment, experiment.shown, dict.fromkeys(data, FOUND), weights):
        _record(results, cell.run)
    return f"0-{len(experiment.seeds) - 1}"


def _record(results: Results, run: Run) -> None:
    draw = np.random.default_rng(run.seed)
    queries = pd.DataFrame(
        {
            "query": np.arange(QUERIES),
            "person": np.arange(QUERIES) % PEOPLE,
            "camera": np.arange(QUERIES) // PEOPLE,
            "average_precision": draw.random(QUERIES),
            "first_match": draw.integers(0, 5, QUERIES),
            "inp": draw.random(QUERIES),
        }
    )
    record = {
        "id": run.id,
        "status": "finished",
        "stage": "image-tower",
        "stages": {stage: run.stage_id(stage) for stage in run.recipe.stages()[:-1]},
        "seed": run.seed,
        "recipe": asdict(run.recipe),
        "dataset": run.dataset,
        "fingerprint": run.fingerprint,
        "weights": run.weights,
        "device": "drawn",
        "versions": versions(),
        "commit": "0" * 12,
        "dirty": False,
        "date": "2026-01-01T00:00:00+00:00",
        "cost": {"seconds": 1.0, "images_per_second": 1.0, "peak_memory_mb": 1},
        "metrics": {"mAP": 100 * float(queries["average_precision"].mean())},
        "signature": "mAP|drawn",
    }
    files = {
        "queries.parquet": lambda path: queries.to_parquet(path, index=False),
        "history.jsonl": lambda path: path.write_text(""),
        "model.safetensors": lambda path: path.write_bytes(save({})),
    }
    results.write(results.run_folder(run.id), record, files)
