"""Slow written-out truths, and where the figures of the original code lie (tests/reference/*.npz)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.towers.clip import Clip

FOLDER = Path(__file__).parents[1] / "reference"
TEMPLATE = "A photo of a X X X X person."
PREFIX, SUFFIX = 5, 9  # tokens before and from after the four X in TEMPLATE, the start token included


def identity_text(clip: Clip, identity_tokens: Tensor) -> Tensor:
    """[N, D]: text features of TEMPLATE with its four X replaced by identity_tokens [N, 4, W]."""
    ids = torch.tensor(clip.vocabulary.tokens(TEMPLATE))
    words = clip.text.embed_tokens(ids).expand(len(identity_tokens), -1, -1)
    embeddings = torch.cat([words[:, :PREFIX], identity_tokens, words[:, SUFFIX:]], dim=1)
    return clip.text.encode(embeddings, torch.full((len(embeddings),), len(ids) - 1))


def relative_deviation(ours: Tensor, reference: NDArray) -> float:
    """The largest difference, relative to the largest reference value."""
    theirs = torch.from_numpy(np.asarray(reference, dtype=np.float64))
    return float((ours.detach().double().cpu() - theirs).abs().max() / theirs.abs().max())


def retrieval_by_hand(
    distance: NDArray, query: NDArray, query_camera: NDArray, gallery: NDArray, gallery_camera: NDArray
) -> list[tuple[float, int, float] | None]:
    """(average precision, wrong answers before the first match, INP) of each query, or None without a match.

    One query and one gallery picture at a time, from a distance matrix [Q, G]; equal distances in gallery
    order.
    """
    outcome: list[tuple[float, int, float] | None] = []
    for q in range(len(query)):
        answers = []
        for g in sorted(range(len(gallery)), key=lambda g: (distance[q, g], g)):
            same_person = gallery[g] == query[q] and query[q] >= 0
            if not (same_person and gallery_camera[g] == query_camera[q]):
                answers.append(same_person)
        places = [place for place, right in enumerate(answers, 1) if right]
        if not places:
            outcome.append(None)
            continue
        precision = [number / place for number, place in enumerate(places, 1)]
        outcome.append((sum(precision) / len(places), places[0] - 1, len(places) / places[-1]))
    return outcome


def crossed_bootstrap(
    scores: NDArray, people: NDArray, generator: np.random.Generator, draws: int = 2_000
) -> tuple[float, float]:
    """Percentile interval of the mean in percent points: seeds and people resampled independently, 19 times in 20.

    Too short where seeds are few and dominate: a resample of S seeds varies like S - 1.
    """
    names, member, queries = np.unique(people, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(member, weights=line, minlength=len(names)) for line in scores])
    count = sums.shape
    seeds = generator.multinomial(count[0], np.full(count[0], 1 / count[0]), draws)  # [draws, S]
    persons = generator.multinomial(count[1], np.full(count[1], 1 / count[1]), draws)  # [draws, people]
    means = ((seeds @ sums) * persons).sum(axis=1) / (count[0] * (persons @ queries))
    low, high = np.quantile(means, [0.025, 0.975])
    return 100 * float(low), 100 * float(high)
