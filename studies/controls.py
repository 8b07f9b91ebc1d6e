"""Controls: is a gain of PI-VL one of language, of the right language, or of any extra regression?"""

from studies.ablation import CLIP_REID, IDENTITY_PARTS, clip_reid, identity_parts, part_labels, pi_vl
from studies.published import TABLE_3_PI_VL
from studies.study import Contrast, Row, Study

no_text = {**clip_reid, "image_to_text_weight": 0.0}
moved_texts = {"part_text": "identity+label", "align_weight": 0.0, "global_text": "tuned"}

NO_TEXT = Row("no-text", "CLIP-ReID without text", "CLIP-ReID", no_text, start="no-text")
MOVED_TEXTS = Row(
    "moved-texts", "CLIP-ReID, texts of identities after stage 1b, no alignment", "CLIP-ReID", moved_texts
)
RANDOM_PEOPLE = Row(
    "random-people",
    "CLIP-ReID, random vectors as texts of identities",
    "CLIP-ReID",
    {**clip_reid, "global_targets": "random"},
)
PERMUTED_PEOPLE = Row(
    "permuted-people",
    "CLIP-ReID, texts of other identities",
    "CLIP-ReID",
    {**clip_reid, "global_targets": "permuted"},
)
ONE_HOT_PEOPLE = Row(
    "one-hot-people",
    "CLIP-ReID, one-hot vectors as texts of identities",
    "CLIP-ReID",
    {**clip_reid, "global_targets": "one-hot"},
)
MEAN_IMAGES = Row(
    "mean-images",
    "CLIP-ReID, mean image features as texts of identities",
    "CLIP-ReID",
    {**clip_reid, "global_targets": "images"},
)
PI_VL = Row("pi-vl", "PI-VL", "PI-VL", pi_vl, TABLE_3_PI_VL)
PI_VL_MOVED = Row(
    "pi-vl-moved", "PI-VL, texts of identities after stage 1b", "PI-VL", {**pi_vl, "global_text": "tuned"}
)
RANDOM_TARGETS = Row(
    "random-targets", "PI-VL, random vectors as part texts", "PI-VL", {**pi_vl, "part_targets": "random"}
)
PERMUTED_TEXTS = Row(
    "permuted-texts",
    "PI-VL, texts of other identities and parts",
    "PI-VL",
    {**pi_vl, "part_targets": "permuted"},
)
PART_NAMES = Row(
    "part-names",
    "PI-VL, parts classified by name, no identity",
    "PI-VL",
    {**pi_vl, **part_labels, "align_loss": "classes"},
)
DESCRIPTIONS = Row(
    "descriptions",
    "PI-VL, exact descriptions as part texts",
    "PI-VL",
    {**pi_vl, "part_text": "description"},
    rendered=True,
)

CONTROLS = Study(
    name="controls",
    title="Controls of PI-VL",
    question="Does a gain come from language, from the right language, or from any extra regression?",
    rows=(
        NO_TEXT,
        CLIP_REID,
        MOVED_TEXTS,
        RANDOM_PEOPLE,
        PERMUTED_PEOPLE,
        ONE_HOT_PEOPLE,
        MEAN_IMAGES,
        PI_VL,
        PI_VL_MOVED,
        RANDOM_TARGETS,
        PERMUTED_TEXTS,
        PART_NAMES,
        DESCRIPTIONS,
    ),
    reference="clip-reid",
    contrasts=(
        Contrast("pi-vl", "random-targets"),
        Contrast("pi-vl", "permuted-texts"),
        Contrast("pi-vl", "pi-vl-moved"),
        Contrast("pi-vl", "part-names"),
        Contrast("descriptions", "random-targets"),
        Contrast("clip-reid", "one-hot-people"),
        Contrast("clip-reid", "mean-images"),
    ),
    caption="The first row learns nothing from text. Targets that are random, of others or one-hot say nothing true, and "
    "what rows with them gain is not owed to language. Stage 1b has moved the texts of identities after it. "
    "Exact descriptions, which no data set on disk has, are the most that part texts could say.",
)

RANDOM_TOKENS = Row(
    "random-tokens",
    "+ alignment with random vectors",
    "PI-VL",
    {**identity_parts, "part_targets": "random"},
)
PERMUTED_TOKENS = Row(
    "permuted-tokens",
    "+ alignment with texts of other identities and parts",
    "PI-VL",
    {**identity_parts, "part_targets": "permuted"},
)
DESCRIBED_TOKENS = Row(
    "described-tokens",
    "+ alignment with exact descriptions",
    "PI-VL",
    {**identity_parts, "part_text": "description"},
    rendered=True,
)

TOKEN_CONTROLS = Study(
    name="token-controls",
    title="Controls of identity-aware part prompts, without the fusion head",
    question="Do tokens that are aligned with no fusion between gain from language, or from any extra regression?",
    rows=(CLIP_REID, IDENTITY_PARTS, RANDOM_TOKENS, PERMUTED_TOKENS, DESCRIBED_TOKENS),
    reference="clip-reid",
    contrasts=(
        Contrast("identity-parts", "random-tokens"),
        Contrast("identity-parts", "permuted-tokens"),
        Contrast("described-tokens", "random-tokens"),
    ),
    caption="The last tokens of the tower are aligned themselves, as in the third row of Table 3: a head of its own can "
    "take up what an alignment asks for, so that the tower need not.",
)
