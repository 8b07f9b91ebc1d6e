"""A study of one's own: what lambda of Eq. 12 does to PI-VL.

pivl-bench run --study examples/my_study.py --preset smoke
pivl-bench table --study examples/my_study.py --preset smoke
"""

from studies.ablation import CLIP_REID, PI_VL, pi_vl
from studies.study import Contrast, Row, Study

LAMBDA = Study(
    name="lambda",
    title="The weight of the alignment",
    question="How much does lambda of Eq. 12, which the paper does not give, matter?",
    rows=(
        CLIP_REID,
        PI_VL,
        Row("light", "PI-VL, lambda 0.2", "PI-VL", {**pi_vl, "align_weight": 0.2}),
        Row("heavy", "PI-VL, lambda 5", "PI-VL", {**pi_vl, "align_weight": 5.0}),
    ),
    reference="clip-reid",
    contrasts=(Contrast("light", "pi-vl"), Contrast("heavy", "pi-vl")),
    caption="Each row has the recipe of PI-VL with another weight of the alignment.",
)
