"""Table 3: what each part of PI-VL adds to CLIP-ReID. Each row changes what its line says in the row above it."""

from studies.published import (
    CLIP_REID_DUKE_TWICE,
    PI_VL_DUKE_TWICE,
    TABLE_3_CLIP_REID,
    TABLE_3_IDENTITY_PARTS,
    TABLE_3_PART_LABELS,
    TABLE_3_PI_VL,
)
from studies.study import Changes, Contrast, Row, Study

clip_reid: Changes = {}
part_labels = {**clip_reid, "part_text": "label"}
identity_parts = {**part_labels, "part_text": "identity+label"}
pi_vl = {**identity_parts, "fusion": "pyramid"}
joint = {**pi_vl, "part_schedule": "joint", "global_text": "tuned"}  # one stage 1 has one set of tokens
v2 = {**joint, "align_pixels": "confidence"}

CLIP_REID = Row("clip-reid", "CLIP-ReID", "CLIP-ReID", clip_reid, TABLE_3_CLIP_REID)
PART_LABELS = Row("part-labels", "+ part labels", "PI-VL", part_labels, TABLE_3_PART_LABELS)
IDENTITY_PARTS = Row(
    "identity-parts", "+ identity-aware part prompts", "PI-VL", identity_parts, TABLE_3_IDENTITY_PARTS
)
PI_VL = Row("pi-vl", "+ hierarchical fusion (PI-VL)", "PI-VL", pi_vl, TABLE_3_PI_VL)
JOINT = Row("pi-vl-joint", "PI-VL, identities and parts tuned together", "PI-VL", joint, default=False)
PI_VL_V2 = Row("pi-vl-v2", "and pixels weighted by confidence (version 2)", "PI-VL", v2, default=False)

ABLATION = Study(
    name="ablation",
    title="Ablation of PI-VL",
    question="What do part labels, identity-aware part prompts and hierarchical fusion each add to CLIP-ReID?",
    rows=(CLIP_REID, PART_LABELS, IDENTITY_PARTS, PI_VL, JOINT, PI_VL_V2),
    reference="clip-reid",
    contrasts=(
        Contrast("part-labels", "clip-reid"),
        Contrast("identity-parts", "part-labels"),
        Contrast("pi-vl", "identity-parts"),
    ),
    caption="The rows of the paper's Table 3; each adds one thing to the row above it.",
    contradictions=(PI_VL_DUKE_TWICE, CLIP_REID_DUKE_TWICE),
)
