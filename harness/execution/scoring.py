"""Scores a trained model: metrics, evaluation protocol, and per-query scores."""

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from harness.store.record_file import Record
from pivl.data.pictures import Split
from pivl.evaluation.assessment import Assessment, assess, restore, retrieve, swap_health
from pivl.evaluation.health import FrozenView, Tokens, measure_health
from pivl.evaluation.inference_cost import measure_inference
from pivl.evaluation.reranking import rerank
from pivl.evaluation.retrieval import Retrieval
from pivl.recipe import STAGES
from pivl.train import Trainer

RERANKED = "k-reciprocal-20-6-0.3"  # k1, k2 and lambda, as a signature names them


def score_model(
    trainer: Trainer, state: Mapping[str, Tensor], tokens: Tokens, seen: FrozenView
) -> tuple[Record, Retrieval]:
    """The scores of a trained model as a record stores them, and the scores per query.

    `tokens`: what the stages of prompts left. `seen`: the frozen CLIP's view of training pictures (`view_frozen`).
    """
    split, trained, same = trainer.split, restore(trainer, state), trainer.split.labels.flip_pairs
    texts = trainer.texts(*(tokens.get(stage) for stage in STAGES[:2]))
    assessment = assess(trainer, trained, texts)
    health = measure_health(trainer, trained, tokens, texts, seen) | assessment.part_health(same)
    health |= swap_health(trainer, trained)
    cost = asdict(measure_inference(trained.model, trainer.recipe.image_size, trainer.device))
    scored = _scored(split, assessment, "none")
    return {**scored, "health": finite(health), "inference": cost}, assessment.retrieval


def score_reranked(trainer: Trainer, state: Mapping[str, Tensor]) -> tuple[Record, Retrieval]:
    """The scores of a trained model after re-ranking, as a record stores them, and the scores per query."""
    retrieval = retrieve(trainer, restore(trainer, state), rerank)
    return _scored(trainer.split, Assessment(retrieval, None, None), RERANKED), retrieval


def _scored(split: Split, assessment: Assessment, method: str) -> Record:
    retrieval = assessment.retrieval
    metrics = finite(summarize(assessment, split))
    return {
        "metrics": metrics,
        "excluded": retrieval.excluded,
        "signature": signature(split, retrieval, method),
    }


def query_table(retrieval: Retrieval, cluster: NDArray[np.int64]) -> pd.DataFrame:
    """A line per scored query: query, person, camera, average_precision, first_match, inp, and its cluster.

    `cluster` [N]: that of every query.
    """
    names = ("query", "person", "camera", "average_precision", "first_match", "inp")
    table = pd.DataFrame({name: getattr(retrieval, name) for name in names})
    return table.assign(cluster=cluster[retrieval.query])


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


def signature(split: Split, retrieval: Retrieval, reranking: str = "none") -> str:
    """The evaluation protocol in one string; only numbers of one protocol may share a table."""
    data = f"{name_data(split)}|q{len(retrieval.query)} g{len(split.gallery)}"
    return f"mAP|{data}|junk:same-camera|feat:before-neck|dist:euclid-l2|rerank:{reranking}|ap:step"


def name_data(split: Split) -> str:
    """The name of a benchmark with the beginning of its fingerprint."""
    return f"{split.name}@{split.fingerprint[:6]}"
