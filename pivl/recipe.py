"""Recipe: every choice that decides trained weights, except data, initial weights and seed (Sec. 4.2).

The defaults are CLIP-ReID's CNN configuration (cnn_clipreid.yml) with PI-VL switched off; CLIP_REID_VIT and
CLIP_REID_VIT_SIE_OLP are its others, and pivl.synthped.recipe has the embedded benchmark's. Each field names the first
stage that depends on it, so that stages can be shared by rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

from pivl.system.ranges import Range, refusal, shorten

Stage = Literal["identity-prompts", "part-prompts", "image-tower"]
STAGES: tuple[Stage, ...] = get_args(Stage)

EPOCHS, WARMUP, SHARE = (1, 100_000), (0, 100_000), (0, 1)
WEIGHT, RATE, STEP_SIZE = (0, 1_000), (0, 10), (1e-15, 10)  # the schedule of prompts divides by its rates
TOKENS = (1, 32)  # what a text of a person's part leaves of the shortest context, the tiny CLIP's 48
SIDE, BATCH = (1, 4_096), (2, 65_536)

SCHEMA_1 = frozenset(
    {
        "backbone", "image_size", "normalization", "patch_stride", "precision", "similarity", "identity_tokens",
        "identity_epochs", "prompt_batch", "prompt_sampling", "prompt_rate", "prompt_warmup_epochs",
        "prompt_warmup_rate", "prompt_least_rate", "prompt_weight_decay", "part_epochs", "part_rate",
        "part_temperature", "label_vote", "background", "identity_weight", "triplet_weight", "image_to_text_weight",
        "part_text", "part_targets", "fusion", "align_weight", "align_stride", "global_text", "label_smoothing",
        "triplet_margin", "camera_embedding", "epochs", "people_per_batch", "images_per_person", "rate", "head_rate",
        "bias_rate_factor", "weight_decay", "schedule", "warmup_epochs", "warmup_factor", "milestones", "padding",
        "flip_probability", "erase_probability",
    }
)  # fmt: skip
"""The fields that are part of every id. Any other is part of it only off its default, so that adding a field changes no
id; no name is ever added here."""


def _choice(stage: Stage, default: Any, allowed: Range | None = None) -> Any:
    return field(default=default, metadata={"stage": stage, "range": allowed})


def _identity(default: Any, allowed: Range | None = None) -> Any:
    return _choice("identity-prompts", default, allowed)


def _part(default: Any, allowed: Range | None = None) -> Any:
    return _choice("part-prompts", default, allowed)


def _image(default: Any, allowed: Range | None = None) -> Any:
    return _choice("image-tower", default, allowed)


@dataclass(frozen=True)
class Recipe:
    """The choices of one run; learning rates are per step of Adam, image sizes in pixels, epochs over the train set.

    Raises ValueError at construction for a value outside its closed choice or range.
    """

    # Towers and pictures, seen by every stage.
    backbone: str = _identity("rn50")
    image_size: tuple[int, int] = _identity((256, 128), SIDE)  # height, width (Sec. 4.2)
    normalization: Literal["imagenet", "half", "clip"] = _identity(
        "imagenet"
    )  # CLIP-ReID: CNN imagenet, ViT half
    patch_stride: int = _identity(16, (0, 256))  # ViT only; 12 = overlapping patches
    precision: Literal["fp32", "bf16", "fp16"] = _identity("fp32")
    similarity: Literal["dot", "clip"] = _identity(
        "dot"
    )  # raw dot products, or cosine times CLIP's own scale

    # Stage 1a: identity prompts (Eq. 1-2).
    identity_tokens: int = _identity(4, TOKENS)
    identity_epochs: int = _identity(60, EPOCHS)
    prompt_batch: int = _identity(64, BATCH)
    prompt_sampling: Literal["shuffle", "identity"] = _identity(
        "shuffle"
    )  # the paper says identity (PK), its base not
    prompt_rate: float = _identity(3.5e-4, STEP_SIZE)
    prompt_warmup_epochs: int = _identity(5, WARMUP)
    prompt_warmup_rate: float = _identity(1e-5, RATE)
    prompt_least_rate: float = _identity(1e-6, RATE)
    prompt_weight_decay: float = _identity(1e-4, RATE)
    prompt_cosine: Literal["two", "one"] = _identity(
        "two"
    )  # one: through 1a and 1b, each epoch at its own place

    # Stage 1b: part prompts by dense contrast (Eq. 5-8).
    part_epochs: int = _part(20, EPOCHS)
    part_rate: float = _part(3.5e-4, STEP_SIZE)
    part_temperature: float = _part(0.07, (1e-4, 1_000))  # the paper gives no value (method.md 0)
    part_schedule: Literal["after", "anchored", "joint"] = _part(
        "after"
    )  # anchored: 1b keeps the loss of 1a (Eq. 2) beside its own; joint: version 2, one stage 1 with both losses
    label_vote: Literal["majority", "foreground", "nearest"] = _part("majority")
    background: Literal["class", "ignore", "balanced"] = _part(
        "class"
    )  # the paper lists it as a class; balanced: each part of a picture weighs the same
    part_template: Literal["possessive", "comma", "sentence"] = _part(
        "possessive"
    )  # "person's {part}.", "person, {part}.", "person. {part}."; version 1 says only "concat"
    part_wording: Literal["spaces", "hyphens"] = _part("spaces")  # upper clothes, or LIP's own upper-clothes
    part_similarity: Literal["cosine", "dot"] = _part("cosine")  # dot: raw products, as CLIP-ReID's
    part_sampling: Literal["identity", "shuffle"] = _part("identity")
    part_warmup_epochs: int = _part(-1, (-1, WARMUP[1]))  # -1: those of stage 1a

    # Stage 2: who learns (Sec. 4.4).
    student: str = _image("")  # empty: CLIP's own image tower; else a name of towers.student

    # Stage 2: which terms (Eq. 3-4, 11-12).
    identity_weight: float = _image(1.0, WEIGHT)  # of each of two heads; 0.25 for ViT
    triplet_weight: float = _image(1.0, WEIGHT)  # of each of three features
    image_to_text_weight: float = _image(1.0, WEIGHT)  # 0: no global text
    part_text: Literal["none", "label", "identity+label", "description"] = _image(
        "none"
    )  # Table 3, rows 1 to 3; description: what a part is truly like, of rendered people alone
    part_targets: Literal["text", "random", "permuted"] = _image(
        "text"
    )  # controls: any regression, right texts wrongly placed
    global_targets: Literal["text", "random", "permuted", "one-hot", "images"] = _image(
        "text"
    )  # controls: what stands in the place of the texts of people, as long as they are
    fusion: Literal["last", "pyramid"] = _image("last")  # Table 3, row 4
    fused_stages: Literal["2-4", "2-5", "3-4", "4"] = _image("2-4")  # CNN only: conv2 to conv4 (Sec. 3.4)
    fuse: Literal["sum", "mean", "concat", "levels"] = _image(
        "sum"
    )  # the paper's operator is not known; levels: a loss each, "in a parallel multi-stage manner"
    align_weight: float = _image(1.0, WEIGHT)  # lambda of Eq. 12; the paper gives no value
    align_pixels: Literal["equal", "confidence"] = _image(
        "equal"
    )  # confidence: version 2 weights pixels by the parser's
    align_loss: Literal["unit", "raw", "classes"] = _image(
        "unit"
    )  # squared error of unit vectors, mean squared error of raw ones, or cross-entropy over the texts of parts
    align_stride: int = _image(8, SIDE)  # of the fused map, in pixels (Eq. 10)
    channel_alignment: Literal["depth-wise", "point-wise"] = _image(
        "depth-wise"
    )  # CNN only; the paper names the first, which mixes no channels (method.md 2.3)
    depth_wise_start: Literal["unit", "channels"] = _image("unit")  # see pivl.fusion.DepthWise
    # Departs: stage 1b moves the tokens, and the paper does not say which texts of people stage 2 takes. Those of 1a:
    # rows 3 and 4 of Table 3 add an alignment, and must not change the image-to-text term of CLIP-ReID.
    global_text: Literal["tuned", "before-parts"] = _image("before-parts")
    own_loss: str = _image("")  # a further term, code of one's own (pivl.stages.own_code), by name and digest
    own_loss_weight: float = _image(1.0, WEIGHT)
    own_head: str = _image("")  # in the place of the pyramid
    label_smoothing: float = _image(0.1, SHARE)
    triplet_margin: float = _image(0.3, WEIGHT)

    # Stage 2: how (cnn_clipreid.yml).
    camera_embedding: float = _image(0.0, WEIGHT)  # ViT only: coefficient of SIE; 0: none
    epochs: int = _image(120, EPOCHS)
    people_per_batch: int = _image(16, (2, 4_096))
    images_per_person: int = _image(4, (1, 1_024))
    rate: float = _image(3.5e-4, RATE)
    head_rate: float = _image(3.5e-4, RATE)  # of the fusion head: ViT's 5e-6 would hardly move it
    bias_rate_factor: float = _image(2.0, WEIGHT)
    weight_decay: float = _image(5e-4, RATE)
    schedule: Literal["steps", "cosine"] = _image("steps")
    warmup_epochs: float = _image(10, WARMUP)
    warmup_factor: float = _image(0.01, SHARE)
    milestones: tuple[int, ...] = _image((40, 70), EPOCHS)
    padding: int = _image(10, (0, 512))
    flip_probability: float = _image(0.5, SHARE)
    erase_probability: float = _image(0.5, SHARE)
    erased_labels: Literal["ignore", "keep"] = _image("ignore")
    image_normalization: Literal["as-stage-1", "imagenet", "half", "clip"] = _image(
        "as-stage-1"
    )  # a student's weights may be used to another than its teacher's

    def __post_init__(self) -> None:
        for item in fields(self):
            if wanted := refusal(getattr(self, item.name), item.type, item.metadata.get("range")):
                raise ValueError(f"{item.name} is {shorten(getattr(self, item.name))}; it must be {wanted}")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones is {shorten(self.milestones)}; they must rise")
        if self.prompt_batch % self.images_per_person:
            raise ValueError("prompt_batch must be a multiple of images_per_person")
        if self.images_per_person < 2 and self.triplet_weight:
            raise ValueError("images_per_person is 1; it must be at least 2 where triplet_weight is not 0")
        if self.align_stride > min(self.image_size):
            raise ValueError(f"align_stride is {self.align_stride}; image_size has a side of fewer pixels")
        if self.part_schedule == "joint" and self.global_text == "before-parts":
            raise ValueError("part_schedule joint leaves no tokens before parts; global_text must be tuned")
        if self.own_head and (self.part_text == "none" or self.fusion != "pyramid"):
            raise ValueError(
                "own_head is in the place of PI-VL's pyramid; set part_text, and fusion to pyramid"
            )
        if self.align_pixels == "confidence" and self.background == "balanced":
            raise ValueError(
                "align_pixels confidence and background balanced both weight cells; leave one out"
            )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Recipe":
        """Returns the recipe that `asdict` and JSON made `value` of. TypeError, ValueError for what is none."""
        choices: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in value.items()
        }
        return cls(**choices)

    def stages(self) -> tuple[Stage, ...]:
        """The stages that this recipe needs, in order: no text needs no prompts, labels alone need no part tuning."""
        if self.part_text == "identity+label":
            return STAGES[1:] if self.part_schedule == "joint" else STAGES
        if self.image_to_text_weight > 0:
            return ("identity-prompts", "image-tower")
        return ("image-tower",)

    def draws_people(self, stage: Stage) -> bool:
        """Whether the batches of `stage` hold people x pictures (PK sampling), or are shuffled."""
        sampling = {"identity-prompts": self.prompt_sampling, "part-prompts": self.part_sampling}
        return sampling.get(stage, "identity") == "identity"

    def normalization_of(self, stage: Stage) -> Literal["imagenet", "half", "clip"]:
        """Returns how pictures are normalised in `stage`; the model that is deployed sees them as in the last."""
        if stage == "image-tower" and self.image_normalization != "as-stage-1":
            return self.image_normalization
        return self.normalization

    def batch_size(self, stage: Stage) -> int:
        """Returns the number of pictures in a step of `stage`."""
        return self.people_per_batch * self.images_per_person if stage == "image-tower" else self.prompt_batch

    def sees_maps(self, stage: Stage) -> bool:
        """Whether the weights after `stage` depend on part maps: identity prompts, and rows without parts, never do."""
        return self.part_text != "none" and stage != "identity-prompts"

    def stage_choices(self, stage: Stage) -> dict[str, Any]:
        """Returns the choices that the weights after `stage` depend on: its own and those of the stages before it."""
        known = fields_before(stage, type(self)) | ({"part_epochs"} if self.prompt_cosine == "one" else set())
        return {name: value for name, value in self.choices().items() if name in known}

    def choices(self) -> dict[str, Any]:
        """Returns the choices that name a run: those of SCHEMA_1, and every other that is not at its default."""
        return dict(self._choices)

    @cached_property
    def _choices(self) -> dict[str, Any]:
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        if "part-prompts" not in self.stages():
            named["global_text"] = (
                "tuned"  # the same texts by any name: ids are those of before the default changed
            )
        if not self.own_loss:
            named["own_loss_weight"] = 1.0  # of nothing
        quiet = {item.name: item.default for item in fields(self) if item.name not in SCHEMA_1}
        return {name: value for name, value in named.items() if value != quiet.get(name, ...)}


def fields_before(stage: Stage, kind: type[Recipe] = Recipe) -> frozenset[str]:
    """Returns the fields of a recipe that the weights after `stage` depend on."""
    reached = STAGES[: STAGES.index(stage) + 1]
    return frozenset(item.name for item in fields(kind) if item.metadata["stage"] in reached)


CLIP_REID_CNN = Recipe()  # cnn_clipreid.yml
CLIP_REID_VIT = replace(  # vit_clipreid.yml
    CLIP_REID_CNN,
    backbone="vit-b-16",
    normalization="half",
    identity_epochs=120,
    identity_weight=0.25,
    rate=5e-6,
    weight_decay=1e-4,
    warmup_factor=0.1,
    milestones=(30, 50),
    epochs=60,
)
CLIP_REID_VIT_SIE_OLP = replace(
    CLIP_REID_VIT, patch_stride=12, camera_embedding=1.0
)  # its README, the paper's ViT
