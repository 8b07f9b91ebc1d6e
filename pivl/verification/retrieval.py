"""The figures of the original evaluation, from the features in the file, by the evaluation that `run` uses."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from pivl.evaluation.reranking import Reciprocal, rerank
from pivl.evaluation.retrieval import Descriptors, Retrieval, rank
from pivl.verification.reference_file import EXACT, RERANKED, Figures, Measure, Recomputed
from pivl.verification.reference_inputs import nudged

FEATURES = ("query_features", "gallery_features")
PEOPLE = ("query_pids", "query_camids", "gallery_pids", "gallery_camids")
RANKS = 50
OF_A_DISTANCE = 8  # roundings of features that move a distance about as its own sums round
INPUTS = frozenset(FEATURES + PEOPLE)


def recompute(figures: Figures, progress: Callable[[str], None], nudge: int) -> Iterator[Recomputed]:
    """cmc and mAP, plain and re-ranked, of an evaluation file, its features moved by `nudge` (drawing.nudged).

    UserError where its inputs or meta are unfit.
    """
    query, gallery = read_inputs(figures, nudge)
    progress("ranking")
    yield from scores(figures, "", rank(query, gallery), len(gallery), EXACT)
    if "rerank" in figures.meta or {"reranked_cmc", "reranked_mAP"} & figures.values.keys():
        progress("re-ranking")
        retrieval = rerank(query, gallery, read_choice(figures))
        yield from scores(figures, "reranked_", retrieval, len(gallery), RERANKED)


def scores(
    figures: Figures, prefix: str, retrieval: Retrieval, gallery: int, measure: Measure
) -> Iterator[Recomputed]:
    """cmc to rank RANKS or as far as the file's goes, but no further than the gallery, and mAP."""
    ranks = min(max(RANKS, np.size(figures.values.get(f"{prefix}cmc", ()))), gallery)
    cmc = torch.tensor([retrieval.cmc(k) for k in range(1, ranks + 1)], dtype=torch.float64)
    yield Recomputed(f"{prefix}cmc", cmc, measure)
    yield Recomputed(f"{prefix}mAP", torch.tensor(retrieval.map, dtype=torch.float64), measure)


def read_inputs(figures: Figures, nudge: int) -> tuple[Descriptors, Descriptors]:
    """Queries and gallery."""
    absent = sorted(INPUTS - figures.values.keys())
    if absent:
        raise figures.unfit(f"it lacks {', '.join(absent)}")
    query, gallery = (figures.values[key] for key in FEATURES)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1:] != gallery.shape[1:]:
        raise figures.unfit(f"its features are of shape {query.shape} and {gallery.shape}")
    for key in PEOPLE:
        count = len(query) if key.startswith("query") else len(gallery)
        if figures.values[key].shape != (count,) or figures.values[key].dtype.kind not in "iu":
            raise figures.unfit(f"{key} is not {count} whole numbers")
    if not all(features.dtype.kind == "f" and np.isfinite(features).all() for features in (query, gallery)):
        raise figures.unfit("its features are not finite numbers")
    return read_side(figures, "query", nudge), read_side(figures, "gallery", nudge)


def read_side(figures: Figures, side: str, nudge: int) -> Descriptors:
    """Returns the pictures whose keys begin with `side`, features moved by `nudge`."""
    features, person, camera = (figures.values[f"{side}_{key}"] for key in ("features", "pids", "camids"))
    moved = nudged(features.astype(np.float32), nudge, OF_A_DISTANCE)
    whole = (torch.from_numpy(numbers.astype(np.int64)) for numbers in (person, camera))
    return Descriptors.of(torch.from_numpy(moved), *whole)


def read_choice(figures: Figures) -> Reciprocal:
    """Returns the choices of re-ranking in meta."""
    try:
        written = figures.meta["rerank"]
        return Reciprocal(int(written["k1"]), int(written["k2"]), float(written["lambda_value"]))
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise figures.unfit("its meta says nothing usable under rerank") from error
