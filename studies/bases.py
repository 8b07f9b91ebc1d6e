"""What the rows of a study start from, by backbone: the recipes of CLIP-ReID and of PI-VL before a row's own changes.

On CLIP's backbones the two differ as paper and code do (method.md 0): CLIP-ReID's code shuffles pictures in stage 1a
and has 120 epochs of it for a ViT, PI-VL draws 16 people x 4 pictures for 60 epochs. `--set prompt_sampling=shuffle`
makes all rows equal again. The embedded benchmark's rows are equal as they are, and share stage 1a.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pivl.recipe import CLIP_REID_CNN, CLIP_REID_VIT, CLIP_REID_VIT_SIE_OLP, EMBEDDED, Recipe
from studies.study import Method

PAPER_STAGE_1: Mapping[str, Any] = {"prompt_sampling": "identity", "identity_epochs": 60}  # Sec. 4.2


@dataclass(frozen=True)
class Base:
    """A backbone: the recipe of each method on it, and which weights fit it.

    clip: OpenAI's name of the CLIP, None where any CLIP of this `kind` will do. printed: what the paper's tables call
    this backbone; only figures under these names are compared with.
    """

    kind: Literal["resnet", "vit"]
    recipes: Mapping[Method, Recipe]
    clip: str | None
    printed: tuple[str, ...] = ()


CNN, VIT = CLIP_REID_CNN, CLIP_REID_VIT
PI_VL_CNN = replace(CNN, **PAPER_STAGE_1)
PI_VL_VIT = replace(VIT, **PAPER_STAGE_1)
PI_VL_VIT_SIE_OLP = replace(CLIP_REID_VIT_SIE_OLP, **PAPER_STAGE_1)

TINY = Base("resnet", {"CLIP-ReID": EMBEDDED, "PI-VL": EMBEDDED}, clip=None)
RN50 = Base("resnet", {"CLIP-ReID": CNN, "PI-VL": PI_VL_CNN}, "RN50", ("RN50", "CNN"))
RN101 = Base(
    "resnet",
    {"CLIP-ReID": replace(CNN, backbone="rn101"), "PI-VL": replace(PI_VL_CNN, backbone="rn101")},
    "RN101",
)
RN50X4 = Base(
    "resnet",
    {"CLIP-ReID": replace(CNN, backbone="rn50x4"), "PI-VL": replace(PI_VL_CNN, backbone="rn50x4")},
    "RN50x4",
)
VIT_B_16 = Base("vit", {"CLIP-ReID": VIT, "PI-VL": PI_VL_VIT}, "ViT-B/16")
VIT_B_16_SIE_OLP = Base(  # the paper's row of ViT figures is CLIP-ReID's with both (method.md 2.5)
    "vit", {"CLIP-ReID": CLIP_REID_VIT_SIE_OLP, "PI-VL": PI_VL_VIT_SIE_OLP}, "ViT-B/16", ("ViT",)
)
VIT_B_32 = Base(
    "vit",
    {
        "CLIP-ReID": replace(VIT, backbone="vit-b-32", patch_stride=32),
        "PI-VL": replace(PI_VL_VIT, backbone="vit-b-32", patch_stride=32),
    },
    "ViT-B/32",
)
VIT_L_14 = Base(
    "vit",
    {
        "CLIP-ReID": replace(VIT, backbone="vit-l-14", patch_stride=14),
        "PI-VL": replace(PI_VL_VIT, backbone="vit-l-14", patch_stride=14),
    },
    "ViT-L/14",
)
ANY_RESNET = Base(
    "resnet",
    {"CLIP-ReID": replace(CNN, backbone="resnet"), "PI-VL": replace(PI_VL_CNN, backbone="resnet")},
    clip=None,
)
ANY_VIT = Base(
    "vit",
    {
        "CLIP-ReID": replace(VIT, backbone="vit", patch_stride=0),
        "PI-VL": replace(PI_VL_VIT, backbone="vit", patch_stride=0),
    },
    clip=None,
)

EMBEDDED_BACKBONE = "tiny"
BASES = {
    EMBEDDED_BACKBONE: TINY,
    "rn50": RN50,
    "rn101": RN101,
    "rn50x4": RN50X4,
    "vit-b-16": VIT_B_16,
    "vit-b-16-sie-olp": VIT_B_16_SIE_OLP,
    "vit-b-32": VIT_B_32,
    "vit-l-14": VIT_L_14,
    "resnet": ANY_RESNET,
    "vit": ANY_VIT,
}
