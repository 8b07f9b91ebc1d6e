"""Controls: is a gain of PI-VL one of language, of the right language, or of any extra regression?"""

from studies.ablation import CLIP_REID, clip_reid, pi_vl
from studies.published import TABLE_3_PI_VL
from studies.study import Contrast, Row, Study

no_text = {**clip_reid, "image_to_text_weight": 0.0}
random_targets = {**pi_vl, "part_targets": "random"}
permuted_texts = {**pi_vl, "part_targets": "permuted"}

NO_TEXT = Row("no-text", "CLIP-ReID without text", "CLIP-ReID", no_text)
PI_VL = Row("pi-vl", "PI-VL", "PI-VL", pi_vl, TABLE_3_PI_VL)
RANDOM_TARGETS = Row("random-targets", "PI-VL, random vectors as part texts", "PI-VL", random_targets)
PERMUTED_TEXTS = Row("permuted-texts", "PI-VL, part texts of other people and parts", "PI-VL", permuted_texts)

CONTROLS = Study(
    name="controls",
    title="Controls of PI-VL",
    question="Does a gain come from language, from the right language, or from any extra regression?",
    rows=(NO_TEXT, CLIP_REID, PI_VL, RANDOM_TARGETS, PERMUTED_TEXTS),
    reference="clip-reid",
    contrasts=(Contrast("pi-vl", "random-targets"), Contrast("pi-vl", "permuted-texts")),
    caption="The first row learns nothing from text. In the last two, pixels are aligned with targets that say "
    "nothing true about them: what those rows gain, PI-VL does not owe to its texts.",
)
