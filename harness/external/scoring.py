"""Scores a test set as any method describes it, by the chosen distance and convention of average precision."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from harness.external.described import Array, Described
from harness.external.test_set import digest
from pivl.errors import UserError
from pivl.evaluation.average_precision import CONVENTIONS, Convention
from pivl.evaluation.retrieval import Descriptors, Distances, rank_distances, squared_distances

if TYPE_CHECKING:
    from pivl.evaluation.retrieval import Retrieval

Metric = Literal["euclid-l2", "euclid", "cosine"]
METRICS: tuple[Metric, ...] = get_args(Metric)
GIVEN = "given"  # distances that were computed elsewhere


@dataclass(frozen=True)
class Protocol:
    """A distance: euclid-l2 of descriptors at length 1, euclid as they are, cosine; and a convention."""

    metric: str
    convention: Convention


def choose_metric(typed: str | None, described: Described, name: str) -> str:
    """The distance that was typed, or that the file states. Raises UserError where neither says it, or both disagree."""
    if described.distances is not None:
        if typed is not None:
            raise UserError(f"{name} holds distances; leave --metric {typed} out")
        return GIVEN
    stated = described.facts.get("metric")
    if typed is None and stated not in METRICS:
        raise UserError(
            f"{name} does not say how its descriptors are compared; name --metric {METRICS[0]} (at length 1), "
            f"{METRICS[1]} (as they are) or {METRICS[2]}"
        )
    return typed or str(stated)


def score(described: Described, protocol: Protocol, name: str) -> "Retrieval":
    """The outcome of every query. Raises UserError, naming the file, where no query has a right answer."""
    query, gallery = _sides(described, protocol.metric == "euclid")
    distances: Distances
    if described.distances is not None:
        given = torch.from_numpy(described.distances)
        distances = given.__getitem__
    elif protocol.metric == "cosine":
        distances = _cosine(query, gallery)
    else:
        distances = squared_distances(query, gallery)
    try:
        convention = CONVENTIONS[protocol.convention]
        return rank_distances(distances, query, gallery, average_precision=convention)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _sides(described: Described, raw: bool) -> tuple[Descriptors, Descriptors]:
    made = Descriptors if raw or described.features is None else Descriptors.of
    features = None if described.features is None else _scale(described.features)
    sides = []
    for place, side in enumerate((described.query, described.gallery)):
        feature = torch.zeros(len(side), 1) if features is None else torch.from_numpy(features[place])
        sides.append(made(feature, torch.from_numpy(side.person), torch.from_numpy(side.camera)))
    return sides[0], sides[1]


def _scale(features: tuple[Array, Array]) -> tuple[Array, Array]:
    """Features times a power of two that brings their largest number near 1: no square leaves float32's range.

    The order by any of the distances stays, to the bit where nothing had left the range.
    """
    largest = max(float(np.abs(part).max(initial=0)) for part in features)
    exponent = math.frexp(largest)[1]
    query, gallery = (np.ldexp(part, -exponent) for part in features)
    return query, gallery


def _cosine(query: Descriptors, gallery: Descriptors) -> Distances:
    return lambda some: 1 - query.descriptor[some] @ gallery.descriptor.T


def signature_of(described: Described, retrieval: "Retrieval", protocol: Protocol) -> str:
    """The evaluation protocol in one string, as those of runs."""
    facts = described.facts
    data = facts.get("dataset") or f"test-set@{digest(described)[:6]}"
    counts = f"q{len(retrieval.query)} g{len(described.gallery)}"
    feature = facts.get("descriptor", GIVEN)
    compared = f"feat:{feature}|dist:{protocol.metric}|rerank:none|ap:{protocol.convention}"
    return f"mAP|{data}|{counts}|junk:same-camera|{compared}"
