"""Fit of texts: whether training pictures lie nearest the text of their own person, and how far tuning moved texts."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pivl.stages.training_data import Similarity


@dataclass(frozen=True)
class TextFit:
    """How N pictures name their person among P texts: top-1 in [0, 1], cross-entropy in nats, mean length of texts."""

    top1: float
    cross_entropy: float
    length: float

    @classmethod
    def of(cls, image: Tensor, person: Tensor, texts: Tensor, similarity: Similarity) -> "TextFit":
        """Returns the fit of texts [P, D] to pictures [N, D] of `person` int64 [N], compared as the recipe does."""
        scores = similarity.prepare(image) @ similarity.prepare(texts).T / similarity.temperature
        right = (scores.argmax(1) == person).double().mean()
        length = torch.linalg.vector_norm(texts.float(), dim=1).mean()
        return cls(float(right), float(functional.cross_entropy(scores, person)), float(length))


def mean_cosine(one: Tensor, other: Tensor) -> float:
    """Returns the mean cosine of each text [P, D] with the same person's in `other`: 1 where tuning moved none."""
    return float(functional.cosine_similarity(one.float(), other.float(), dim=1).mean())
