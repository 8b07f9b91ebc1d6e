"""What may be searched by Optuna: spaces of recipe fields around PI-VL or another row, as data.

The paper gives no loss weights but those of its base, no dense temperature and no rate of its fusion head. A space of
one's own is one more value here, and its name is then known to `pivl-bench search`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from studies.ablation import CLIP_REID, IDENTITY_PARTS, PART_LABELS, pi_vl
from studies.controls import NO_TEXT
from studies.presets import DEFAULT, LONG, SMOKE
from studies.study import Row

PI_VL = Row("pi-vl", "PI-VL", "PI-VL", pi_vl)


@dataclass(frozen=True)
class Float:
    """Any number from `low` to `high`; `log`: as many below their geometric mean as above."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Factor:
    """From the recipe's own value divided by `most` to its product with it, on a logarithmic scale.

    For what differs by backbone in order of magnitude, as learning rates do.
    """

    most: float


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]


Objective = Literal["mAP", "skill"]
"""What trials maximise, both in percent: mAP of held-out people, or what alignment has learned (100 x skill of
pivl.evaluation.alignment_bounds, on training people): fields that only alignment uses are not chosen by retrieval."""


@dataclass(frozen=True)
class Space:
    """What is varied, by recipe field, in the row `base`; which stages a field touches the recipe itself says."""

    name: str
    title: str
    parameters: Mapping[str, Float | Factor | Choice]
    base: Row = PI_VL
    dataset: str = "synthped"
    objective: Objective = "mAP"


LOSS_WEIGHTS = Space(
    "loss-weights",
    "Loss weights and dense temperature of PI-VL",
    MappingProxyType(
        {
            "align_weight": Float(0.01, 10, log=True),
            "identity_weight": Float(0.05, 2),
            "triplet_weight": Float(0.05, 2),
            "image_to_text_weight": Float(0.1, 3),
            "part_temperature": Float(0.01, 1, log=True),
        }
    ),
)
LAMBDA = Space(
    "lambda",
    "Weight of PI-VL's alignment, lambda of Eq. 12",
    MappingProxyType({"align_weight": LOSS_WEIGHTS.parameters["align_weight"]}),
)
FUSION_HEAD = Space(
    "fusion-head",
    "Fusion head of PI-VL: its rate, how channels are aligned, what becomes of the background",
    MappingProxyType(
        {
            "head_rate": Factor(30),
            "channel_alignment": Choice(("depth-wise", "point-wise")),
            "background": Choice(("class", "ignore")),
        }
    ),
)
RATES = Space(
    "rates",
    "Learning rates of PI-VL's stages",
    MappingProxyType({"prompt_rate": Factor(30), "part_rate": Factor(30), "rate": Factor(10)}),
)

WITHOUT_ALIGNMENT: Mapping[str, Float | Factor | Choice] = MappingProxyType(
    {"rate": Factor(10), "identity_weight": Float(0.05, 2), "triplet_weight": Float(0.05, 2)}
)
CLIP_REIDS = Space("clip-reid", "Rate and loss weights of CLIP-ReID", WITHOUT_ALIGNMENT, CLIP_REID)
NO_TEXTS = Space("no-text", "Rate and loss weights of CLIP-ReID without text", WITHOUT_ALIGNMENT, NO_TEXT)
"""With as many trials as CLIP-ReID's: a row that is tuned less than the other loses by that alone."""

ALIGNMENT: Mapping[str, Float | Factor | Choice] = MappingProxyType(
    {"align_weight": Float(0.3, 30, log=True), "background": Choice(("class", "ignore", "balanced"))}
)
FUSED: Mapping[str, Float | Factor | Choice] = MappingProxyType(
    {**ALIGNMENT, "head_rate": Factor(30), "channel_alignment": Choice(("depth-wise", "point-wise"))}
)
LABELS = Space("label-skill", "Alignment with part labels", ALIGNMENT, PART_LABELS, objective="skill")
PARTS = Space(
    "part-skill", "Alignment with identity-aware part prompts", ALIGNMENT, IDENTITY_PARTS, objective="skill"
)
FUSION = Space("fusion-skill", "Alignment of the fused map", FUSED, objective="skill")
"""What alignment alone uses is chosen by what it has learned on training people, row by row with as many trials."""

SEARCHES = {
    "loss-weights": LOSS_WEIGHTS,
    "lambda": LAMBDA,
    "fusion-head": FUSION_HEAD,
    "rates": RATES,
    "clip-reid": CLIP_REIDS,
    "no-text": NO_TEXTS,
    "label-skill": LABELS,
    "part-skill": PARTS,
    "fusion-skill": FUSION,
}

SEARCH_SMOKE = replace(  # 20 of 32 people are held out; the others must fill a batch
    SMOKE, changes=MappingProxyType({**SMOKE.changes, "people_per_batch": 8, "prompt_batch": 32})
)
SEARCH_PRESETS = {"default": DEFAULT, "long": LONG, "smoke": SEARCH_SMOKE}
