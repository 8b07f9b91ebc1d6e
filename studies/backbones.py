"""What the rows of a study start from, by backbone: the recipes of CLIP-ReID and of PI-VL before a row's own changes.

On CLIP's backbones the two differ as paper and code do (method.md 0): CLIP-ReID's code shuffles pictures in stage 1a
and has 120 epochs of it for a ViT, PI-VL draws 16 people x 4 pictures for 60 epochs. `--set prompt_sampling=shuffle`
makes all rows equal again. The embedded benchmark's rows are equal as they are, and share stage 1a.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pivl.recipe import CLIP_REID_CNN, CLIP_REID_VIT, CLIP_REID_VIT_SIE_OLP, Recipe
from pivl.synthped.names import STUDENT
from pivl.synthped.recipe import EMBEDDED
from studies.study import Changes, Method

PAPER_STAGE_1: Mapping[str, Any] = {"prompt_sampling": "identity", "identity_epochs": 60}  # Sec. 4.2


@dataclass(frozen=True)
class Backbone:
    """A backbone: the recipe of each method on it, and which weights fit it.

    clip: the name of the CLIP (pivl.towers.clip_catalog), None where
    any CLIP of this `kind` will do. printed: what the paper's
    tables call this backbone; only figures under these names are compared with. students: what the recipe
    of a student changes in those of both methods.
    """

    kind: Literal["resnet", "vit"]
    recipes: Mapping[Method, Recipe]
    clip: str | None
    printed: tuple[str, ...] = ()
    students: Changes = field(default_factory=dict)


PI_VL_CNN = replace(CLIP_REID_CNN, **PAPER_STAGE_1)
PI_VL_VIT = replace(CLIP_REID_VIT, **PAPER_STAGE_1)
PI_VL_VIT_SIE_OLP = replace(CLIP_REID_VIT_SIE_OLP, **PAPER_STAGE_1)

STUDENTS_OF_VIT: Changes = {  # a ViT's rates would hardly move a light network: as CLIP-ReID trains a CNN
    "identity_weight": CLIP_REID_CNN.identity_weight,
    "camera_embedding": CLIP_REID_CNN.camera_embedding,
    "epochs": CLIP_REID_CNN.epochs,
    "rate": CLIP_REID_CNN.rate,
    "weight_decay": CLIP_REID_CNN.weight_decay,
    "warmup_factor": CLIP_REID_CNN.warmup_factor,
    "milestones": CLIP_REID_CNN.milestones,
}

TINY = Backbone(
    "resnet",
    {"CLIP-ReID": EMBEDDED, "PI-VL": EMBEDDED},
    clip=None,
    students={"epochs": 16, "rate": 3e-3},  # the only ones tried, on held-out training people
)
RN50 = Backbone("resnet", {"CLIP-ReID": CLIP_REID_CNN, "PI-VL": PI_VL_CNN}, "rn50", ("RN50", "CNN"))
VIT_B_16 = Backbone(
    "vit", {"CLIP-ReID": CLIP_REID_VIT, "PI-VL": PI_VL_VIT}, "vit-b-16", students=STUDENTS_OF_VIT
)
VIT_B_16_SIE_OLP = Backbone(  # the paper's row of ViT figures is CLIP-ReID's with both (method.md 2.5)
    "vit",
    {"CLIP-ReID": CLIP_REID_VIT_SIE_OLP, "PI-VL": PI_VL_VIT_SIE_OLP},
    "vit-b-16",
    ("ViT",),
    STUDENTS_OF_VIT,
)

STUDENTS_PRINTED = {STUDENT: "MobileNetV2(0.25)"}  # as its Table 5 has them
EMBEDDED_BACKBONE = "tiny"
BACKBONES = {
    EMBEDDED_BACKBONE: TINY,
    "rn50": RN50,
    "vit-b-16": VIT_B_16,
    "vit-b-16-sie-olp": VIT_B_16_SIE_OLP,
}
BY_KIND = {"resnet": RN50, "vit": VIT_B_16}  # what all other backbones start like: harness.inputs.backbones
