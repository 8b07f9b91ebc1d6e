"""Table 2: CLIP-ReID and PI-VL on the data set and backbone at hand, beside what the paper reports of 22 methods."""

from studies.ablation import clip_reid, pi_vl
from studies.published import (
    CLIP_REID_DUKE_TWICE,
    PI_VL_DUKE_TWICE,
    PI_VL_OCCLUDED,
    TABLE_2,
    TWO_VERSIONS,
    VIT_BASELINE,
)  # fmt: skip
from studies.study import Row, Study

COMPARISON = Study(
    name="comparison",
    title="Comparison with published results",
    question="Where do CLIP-ReID and PI-VL, trained here, stand among the methods of the paper's Table 2?",
    rows=(
        Row("clip-reid", "CLIP-ReID", "CLIP-ReID", clip_reid, start="code"),
        Row("pi-vl", "PI-VL", "PI-VL", pi_vl),
    ),
    reference="clip-reid",
    caption="Published figures are of one run each, without queries or seeds: a difference to them has no p-value.",
    published_table=TABLE_2,
    contradictions=(
        PI_VL_DUKE_TWICE,
        CLIP_REID_DUKE_TWICE,
        PI_VL_OCCLUDED,
        VIT_BASELINE,
        TWO_VERSIONS,
    ),
)
