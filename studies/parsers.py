"""Table 4: PI-VL on the part maps of parsers of different strength; and below it, gain against how good maps are."""

from studies.ablation import clip_reid, pi_vl
from studies.published import (
    CONSISTENT_GAINS,
    LABEL_SETS,
    MIOU_COLUMN,
    TABLE_4_CLIP_REID,
    TABLE_4_INVPT,
    TABLE_4_SCHP,
    TABLE_4_SOLIDER,
    Published,
)
from studies.study import Contrast, Row, Study

DOSE_RESPONSE = "Dose-response: the same recipe on the exact maps, made worse"

CLIP_REID = Row("clip-reid", "CLIP-ReID", "CLIP-ReID", clip_reid, TABLE_4_CLIP_REID)
PARSER_S = Row("parser-s", "PI-VL, parser-s", "PI-VL", pi_vl, maps="parser-s")
PARSER_M = Row("parser-m", "PI-VL, parser-m", "PI-VL", pi_vl, maps="parser-m")
PARSER_L = Row("parser-l", "PI-VL, parser-l", "PI-VL", pi_vl, maps="parser-l")
RENDERER = Row("renderer", "PI-VL, the renderer's exact maps", "PI-VL", pi_vl)

DEGRADED = (
    Row(
        "boundary-1",
        "outlines bent by 1 pixel",
        "PI-VL",
        pi_vl,
        maps="degraded:boundary-1",
        section=DOSE_RESPONSE,
    ),
    Row(
        "boundary-3",
        "outlines bent by 3 pixels",
        "PI-VL",
        pi_vl,
        maps="degraded:boundary-3",
        section=DOSE_RESPONSE,
    ),
    Row(
        "confusion-20",
        "20 % of classes confused",
        "PI-VL",
        pi_vl,
        maps="degraded:confusion-20",
        section=DOSE_RESPONSE,
    ),
    Row(
        "confusion-60",
        "60 % of classes confused",
        "PI-VL",
        pi_vl,
        maps="degraded:confusion-60",
        section=DOSE_RESPONSE,
    ),
    Row("blocks-20", "20 % of blocks lost", "PI-VL", pi_vl, maps="degraded:blocks-20", section=DOSE_RESPONSE),
    Row("blocks-60", "60 % of blocks lost", "PI-VL", pi_vl, maps="degraded:blocks-60", section=DOSE_RESPONSE),
)

PARSERS = Study(
    name="parsers",
    title="Parsing models for PI-VL",
    question="How much of PI-VL's gain depends on the parser whose part maps it is trained on?",
    rows=(
        CLIP_REID,
        PARSER_S,
        PARSER_M,
        PARSER_L,
        RENDERER,
        *DEGRADED,
    ),
    reference="clip-reid",
    contrasts=(
        Contrast("parser-m", "parser-s"),
        Contrast("parser-l", "parser-m"),
        Contrast("renderer", "parser-l"),
        Contrast("boundary-1", "renderer"),
        Contrast("boundary-3", "renderer"),
        Contrast("confusion-20", "renderer"),
        Contrast("confusion-60", "renderer"),
        Contrast("blocks-20", "renderer"),
        Contrast("blocks-60", "renderer"),
    ),
    caption="The rows of the paper's Table 4, with this benchmark's own parsers in the place of SOLIDER, SCHP and InvPT, "
    "and each measured on the images that it is used on.",
    published_table=(TABLE_4_CLIP_REID, TABLE_4_SOLIDER, TABLE_4_SCHP, TABLE_4_INVPT),
    contradictions=(MIOU_COLUMN, LABEL_SETS, CONSISTENT_GAINS),
    columns=("mIoU",),
    figure="mIoU",
)

NAMED: dict[str, Published] = {
    "solider": TABLE_4_SOLIDER,
    "schp": TABLE_4_SCHP,
    "invpt": TABLE_4_INVPT,
}
"""What the paper reports, by the names that people give their folders of part maps."""
