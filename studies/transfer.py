"""Table 5: do prompts that CLIP's towers tuned teach a light network? Teachers are Table 3's runs, stage 1 is shared."""

from dataclasses import replace

from studies.ablation import CLIP_REID, PI_VL, clip_reid, pi_vl
from studies.published import (
    TABLE_5_CLIP_REID,
    TABLE_5_CLIP_REID_STUDENT,
    TABLE_5_PI_VL,
    TABLE_5_PI_VL_STUDENT,
    TABLE_5_STUDENT,
)
from studies.study import Contrast, Row, Study

alone = {**clip_reid, "image_to_text_weight": 0.0}

TEACHER_CLIP_REID = replace(CLIP_REID, title="Teacher CLIP-ReID", published=TABLE_5_CLIP_REID, compared=False)
TEACHER_PI_VL = replace(PI_VL, title="Teacher PI-VL", published=TABLE_5_PI_VL, compared=False)
ALONE = Row("student", "Student alone", "CLIP-ReID", alone, TABLE_5_STUDENT, student=True)
OF_CLIP_REID = Row(
    "student-clip-reid",
    "Student with CLIP-ReID's prompts",
    "CLIP-ReID",
    clip_reid,
    TABLE_5_CLIP_REID_STUDENT,
    student=True,
)
OF_PI_VL = Row(
    "student-pi-vl", "Student with PI-VL's prompts", "PI-VL", pi_vl, TABLE_5_PI_VL_STUDENT, student=True
)

TRANSFER = Study(
    name="transfer",
    title="Transfer of prompts to a light student",
    question="Do the prompts that CLIP's towers tuned teach another, light network?",
    rows=(TEACHER_CLIP_REID, TEACHER_PI_VL, ALONE, OF_CLIP_REID, OF_PI_VL),
    reference="student",  # as the paper compares
    contrasts=(Contrast("student-pi-vl", "student-clip-reid"),),
    caption="The rows of the paper's Table 5. A student takes the place of CLIP's image tower in stage 2 and learns from "
    "re-identification's losses alone, or also from the frozen texts of a teacher's stage 1.",
    required=("student",),
    costs=True,
)
"""The gain of a row is over the student alone, as the paper's "+1.2" is; the teachers are there to be reached."""
