"""Health of a row over its seeds: whether each part of the method took hold, and what did not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import statistics
from harness.analysis.statistics import Estimate
from harness.store.records import Finished

MOST_LOST = 3.0
"""Points of top-1 that the texts of people may lose after stage 1a.

Where two sets of texts disagree on one in twenty of the same 512 pictures, their difference has a standard error of a
point. On the embedded benchmark a stage 1b at the paper's rate lost 0.1 points, and the one that lost 34 cost 1.2 mAP.
"""
LEAST_SKILL = 0.2
"""Skill that an aligned map must have: 1 - loss / best constant.

A map that is one vector everywhere has 0, and one vector for each part has .27 with the identity-aware texts of the
embedded benchmark: a row below that knows less than its parts, and one far below tests no alignment.
"""


@dataclass(frozen=True)
class Figure:
    """A figure of health: its key in the record, its heading, and how many decimals it bears."""

    key: str
    heading: str
    decimals: int


@dataclass(frozen=True)
class Group:
    """Figures that stand in one grid, under a sentence that says what they are."""

    title: str
    meaning: str
    figures: tuple[Figure, ...]


TEXTS = Group(
    "Texts of identities",
    "training images, as the frozen CLIP sees them, among the texts of all training identities, compared as "
    "the recipe does: after stages 1a and 1b, and for the texts that stage 2 uses. Cross-entropy in nats; cosine: of a "
    "text with that of its identity after 1a",
    (
        Figure("text_identity_top1", "Top-1: 1a, %", 1),
        Figure("text_parts_top1", "Top-1: 1b, %", 1),
        Figure("text_used_top1", "Top-1: stage 2, %", 1),
        Figure("text_identity_cross_entropy", "Cross-entropy: 1a", 2),
        Figure("text_parts_cross_entropy", "Cross-entropy: 1b", 2),
        Figure("text_used_cross_entropy", "Cross-entropy: stage 2", 2),
        Figure("text_parts_cosine", "Cosine to 1a: 1b", 2),
        Figure("text_used_cosine", "Cosine to 1a: stage 2", 2),
        Figure("text_identity_length", "Length: 1a", 1),
        Figure("text_parts_length", "Length: 1b", 1),
        Figure("text_used_length", "Length: stage 2", 1),
    ),
)
ALIGNMENT = Group(
    "Part texts and alignment",
    "cells of the frozen CLIP that name their part among the part texts of their own identity, balanced over parts; the "
    "alignment loss on plain training images beside the least loss of one vector everywhere, of one for each part and "
    "of one for each identity; skill: 1 - loss / best constant, beyond parts: 1 - loss / best per part",
    (
        Figure("prompt_part_accuracy", "Parts named: 1b, %", 1),
        Figure("prompt_part_chance", "Parts named: chance, %", 1),
        Figure("alignment_loss", "Alignment loss", 3),
        Figure("alignment_constant", "Best constant", 3),
        Figure("alignment_per_part", "Best per part", 3),
        Figure("alignment_per_person", "Best per person", 3),
        Figure("skill", "Skill", 2),
        Figure("skill_beyond_parts", "Skill beyond parts", 2),
        Figure("background_share", "Background cells, %", 1),
    ),
)
GRADIENTS = Group(
    "Gradients",
    "the share of each loss term in the norms of their gradients at the last tensor of the tower that all terms come "
    "from, at the start of the first and of the last epoch",
    tuple(
        Figure(f"gradient_{term}_{when}", f"{name}, {when} epoch, %", 1)
        for term, name in (
            ("identity", "Identity"),
            ("triplet", "Triplet"),
            ("image_to_text", "Image-to-text"),
            ("alignment", "Alignment"),
            ("own", "Own loss"),
        )
        for when in ("first", "last")
    ),
)
PARTS = Group(
    "Parts of test images",
    "accuracy balanced over parts, background left out, left and right as one: by the nearest of the texts that the row "
    "was aligned with (mean over training identities), by the nearest bare label, and by the 10 nearest cells of other "
    "identities; a guess has the chance of its own grid",
    tuple(
        Figure(f"{name}_{key}", f"{view}: {heading}, %", 1)
        for name, view in (("part", "Tokens"), ("fused_part", "Fused map"))
        for key, heading in (
            ("aligned_balanced", "aligned texts"),
            ("balanced", "labels"),
            ("neighbours_balanced", "neighbours"),
            ("balanced_chance", "chance"),
        )
    ),
)
SURROUNDINGS = Group(
    "Surroundings",
    "mAP on test images whose surroundings are exchanged by their part maps, each for those of another image by the "
    "same camera with its person painted over. What a row loses it knew by the surroundings, or it is put off by the "
    "cut-out outline. Older records have surroundings by another camera, too, or by any: those have strange colours",
    (
        Figure("map_swapped", "mAP, surroundings exchanged", 1),
        Figure("map_lost_by_swap", "mAP lost by that", 1),
        Figure("map_swapped_same_camera", "mAP, for the same camera's", 1),
        Figure("map_swapped_other_camera", "mAP, for another camera's", 1),
        Figure("map_lost_by_camera", "mAP lost by another camera's", 1),
    ),
)
GROUPS = (TEXTS, ALIGNMENT, GRADIENTS, PARTS, SURROUNDINGS)
FIGURES = tuple(figure for group in GROUPS for figure in group.figures)


@dataclass(frozen=True)
class Fault:
    """A part of the method that did not take hold in a row: what was found, and what to change."""

    found: str
    remedy: str

    @property
    def text(self) -> str:
        """The fault in a line."""
        return f"{self.found}; {self.remedy}"


def gather(runs: Sequence[Finished]) -> dict[str, Estimate]:
    """The figures of a row over the seeds that were measured; none that a seed has not."""
    measured = [run.health for run in runs if run.health]
    values = {item.key: [one.get(item.key, np.nan) for one in measured] for item in FIGURES}
    return {
        key: statistics.estimate_over_seeds(of_seeds)
        for key, of_seeds in values.items()
        if of_seeds and np.isfinite(of_seeds).all()
    }


def find_faults(runs: Sequence[Finished], health: Mapping[str, Estimate]) -> tuple[Fault, ...]:
    """The parts of the method that did not take hold in a row; none where it was not measured.

    Texts are held to those of stage 1a where they come from tuned tokens, not in a control that replaces them; and
    alignment to its skill where the row has a loss of alignment.
    """
    recipes = [run.record.get("recipe", {}) for run in runs]
    replaced = any(recipe.get("global_targets", "text") != "text" for recipe in recipes)
    aligned = any(recipe.get("align_weight", 1) != 0 for recipe in recipes)
    found = [None if replaced else _lost_texts(health), _no_skill(health) if aligned else None]
    return tuple(fault for fault in found if fault)


def _lost_texts(health: Mapping[str, Estimate]) -> Fault | None:
    if not {"text_identity_top1", "text_used_top1"} <= health.keys():
        return None
    before, after = health["text_identity_top1"].mean, health["text_used_top1"].mean
    if before - after <= MOST_LOST:
        return None
    return Fault(
        f"the texts of identities that stage 2 uses lost {before - after:.1f} points of top-1 against stage 1a's "
        f"({before:.1f} to {after:.1f} %)",
        "keep 1a's with --set global_text=before-parts, or lower part_rate",
    )


def _no_skill(health: Mapping[str, Estimate]) -> Fault | None:
    if "skill" not in health or health["skill"].mean >= LEAST_SKILL:
        return None
    loss, constant = health["alignment_loss"].mean, health["alignment_constant"].mean
    return Fault(
        f"the aligned map has skill {health['skill'].mean:.2f}, below {LEAST_SKILL:g}: alignment loss {loss:.3f}, of the "
        f"best constant {constant:.3f}",
        "raise head_rate, align_weight or epochs, or --set background=ignore",
    )
