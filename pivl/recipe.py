"""Recipe: every choice that decides trained weights, except data, initial weights and seed (Sec. 4.2).

The defaults are CLIP-ReID's CNN configuration (cnn_clipreid.yml) with PI-VL switched off; CLIP_REID_VIT and
CLIP_REID_VIT_SIE_OLP are its others; pivl.synthped.recipe has the embedded benchmark's. A field names the first stage
that depends on it; below it stand its meaning, up to "; " in short, and in brackets (SOURCE: SYMBOLS), for `recipe`.
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
"""The fields of every id, to which no name is ever added: any other counts only off its default, so that ids stay."""


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

    # Towers and images, seen by every stage.
    backbone: str = _identity("rn50")
    """The CLIP that is trained (Sec. 4.2)."""
    image_size: tuple[int, int] = _identity((256, 128), SIDE)
    """Height and width of images in pixels (Sec. 4.2)."""
    normalization: Literal["imagenet", "half", "clip"] = _identity("imagenet")
    """Mean and deviation of pixels; CLIP-ReID: imagenet for a CNN, half for a ViT (cnn_clipreid.yml)."""
    patch_stride: int = _identity(16, (0, 256))
    """Stride of patches in pixels; ViT only, 12: overlapping patches (vit_clipreid.yml)."""
    precision: Literal["fp32", "bf16", "fp16"] = _identity("fp32")
    """Precision of the towers; CLIP-ReID's code has fp16 (ours)."""
    similarity: Literal["dot", "clip"] = _identity("dot")
    """Similarity of images and texts; raw dot products, or cosine times CLIP's own scale (Eq. 2)."""

    # Stage 1a: identity prompts (Eq. 1-2).
    identity_tokens: int = _identity(4, TOKENS)
    """Learnable text tokens of an identity (Eq. 1: M)."""
    identity_epochs: int = _identity(60, EPOCHS)
    """Epochs of stage 1a, identity prompts (Sec. 4.2)."""
    prompt_batch: int = _identity(64, BATCH)
    """Images in a batch of stage 1 (Sec. 4.2)."""
    prompt_sampling: Literal["shuffle", "identity"] = _identity("shuffle")
    """Sampling in stage 1a; PK as the paper says, or shuffled as CLIP-ReID's code does (Sec. 4.2)."""
    prompt_rate: float = _identity(3.5e-4, STEP_SIZE)
    """Learning rate of tokens in stage 1a (cnn_clipreid.yml)."""
    prompt_warmup_epochs: int = _identity(5, WARMUP)
    """Warm-up epochs of stage 1a (cnn_clipreid.yml)."""
    prompt_warmup_rate: float = _identity(1e-5, RATE)
    """Learning rate as that warm-up starts (cnn_clipreid.yml)."""
    prompt_least_rate: float = _identity(1e-6, RATE)
    """Learning rate as stage 1 ends (cnn_clipreid.yml)."""
    prompt_weight_decay: float = _identity(1e-4, RATE)
    """Weight decay of tokens (cnn_clipreid.yml)."""
    prompt_cosine: Literal["two", "one"] = _identity("two")
    """Cosine schedules in stage 1; one for each of 1a and 1b, or one through both (Sec. 4.2)."""

    # Stage 1b: part prompts by dense contrast (Eq. 5-8).
    part_epochs: int = _part(20, EPOCHS)
    """Epochs of stage 1b, part prompts (Sec. 4.2)."""
    part_rate: float = _part(3.5e-4, STEP_SIZE)
    """Learning rate of tokens in stage 1b (Sec. 4.2)."""
    part_temperature: float = _part(0.07, (1e-4, 1_000))
    """Temperature of the dense contrast; the paper gives no value (Eq. 7-8: tau, τ, temperature)."""
    part_schedule: Literal["after", "anchored", "joint"] = _part("after")
    """Place of the dense contrast; after 1a, anchored: beside 1a's loss in 1b, joint: version 2's (Eq. 7-8)."""
    label_vote: Literal["majority", "foreground", "nearest"] = _part("majority")
    """How a cell of the map gets its part; by a vote of all its pixels or of the person's, or the nearest (Eq. 5)."""
    background: Literal["class", "ignore", "balanced"] = _part("class")
    """Background as a class; as the paper lists it, or ignored, or all parts weigh the same (Eq. 5)."""
    part_template: Literal["possessive", "comma", "sentence", "of"] = _part("possessive")
    """Place of the part's name in a prompt; of: hat of a person; version 1 says only "concat" (Eq. 6)."""
    part_wording: Literal["spaces", "hyphens"] = _part("spaces")
    """Spelling of parts; upper clothes, or LIP's own upper-clothes (Eq. 6)."""
    part_similarity: Literal["cosine", "dot"] = _part("cosine")
    """Similarity of pixels and texts of parts; dot: as CLIP-ReID's (Eq. 7-8)."""
    part_sampling: Literal["identity", "shuffle"] = _part("identity")
    """Sampling in stage 1b; PK, or shuffled (Sec. 4.2)."""
    part_warmup_epochs: int = _part(-1, (-1, WARMUP[1]))
    """Warm-up epochs of stage 1b; -1: those of stage 1a (ours)."""

    # Stage 2: who learns (Sec. 4.4).
    student: str = _image("")
    """Light network in the image tower's place; empty: none (Table 5)."""

    # Stage 2: which terms (Eq. 3-4, 11-12).
    identity_weight: float = _image(1.0, WEIGHT)
    """Weight of the identity loss; of each of two heads, 0.25 for a ViT (Eq. 4)."""
    triplet_weight: float = _image(1.0, WEIGHT)
    """Weight of the triplet loss; of each of three features (Eq. 4)."""
    image_to_text_weight: float = _image(1.0, WEIGHT)
    """Weight of the image-to-text loss; 0: no texts of identities (Eq. 3)."""
    part_text: Literal["none", "label", "identity+label", "description"] = _image("none")
    """Texts that pixels are aligned with; description: the true ones of rendered people (Table 3)."""
    part_targets: Literal["text", "random", "permuted"] = _image("text")
    """Control in place of texts of parts; random vectors, or right texts wrongly placed (ours)."""
    global_targets: Literal["text", "random", "permuted", "one-hot", "images"] = _image("text")
    """Control in place of texts of identities; of the same length as these (ours)."""
    fusion: Literal["last", "pyramid"] = _image("last")
    """Map that is aligned; the tower's last, or the fused pyramid of Table 3, row 4 (Sec. 3.4)."""
    fused_stages: Literal["2-4", "2-5", "3-4", "4"] = _image("2-4")
    """Stages that are fused; CNN only, 2-4: conv2 to conv4 (Sec. 3.4)."""
    fuse: Literal["sum", "mean", "concat", "levels"] = _image("sum")
    """Fusion operator; the paper names none; levels: a loss for each level (Eq. 10)."""
    align_weight: float = _image(1.0, WEIGHT)
    """Weight of the alignment; the paper gives no value (Eq. 12: lambda, λ)."""
    align_pixels: Literal["equal", "confidence"] = _image("equal")
    """Weight of pixels in it; confidence: the parser's, as version 2 (Eq. 11)."""
    align_loss: Literal["unit", "raw", "classes"] = _image("unit")
    """Error of alignment; squared, of unit or of raw vectors, or cross-entropy over texts of parts (Eq. 11)."""
    cell_targets: Literal["vote", "shares"] = _image("vote")
    """Texts of a cell; of the part that label_vote gives it, or of all its parts by their shares (Eq. 5)."""
    align_stride: int = _image(8, SIDE)
    """Stride of the fused map in pixels (Eq. 10)."""
    channel_alignment: Literal["depth-wise", "point-wise"] = _image("depth-wise")
    """1x1 convolution before fusion; CNN only, the paper's mixes no channels (Eq. 9)."""
    depth_wise_start: Literal["unit", "channels"] = _image("unit")
    """Initial weights of that convolution (ours)."""
    # Departs: stage 1b moves the tokens, and the paper does not say which texts of people stage 2 takes. Those of 1a:
    # rows 3 and 4 of Table 3 add an alignment, and must not change the image-to-text term of CLIP-ReID.
    global_text: Literal["tuned", "before-parts"] = _image("before-parts")
    """Texts of identities in stage 2; tuned: as stage 1b left them (Eq. 3)."""
    own_loss: str = _image("")
    """Further loss of one's own code; by name and digest (ours)."""
    own_loss_weight: float = _image(1.0, WEIGHT)
    """Weight of that loss (ours)."""
    own_head: str = _image("")
    """Fusion head of one's own code; by name and digest (ours)."""
    label_smoothing: float = _image(0.1, SHARE)
    """Label smoothing; of the identity and image-to-text losses (Eq. 3-4: epsilon, ε)."""
    triplet_margin: float = _image(0.3, WEIGHT)
    """Margin of the triplet loss (Eq. 4: margin)."""

    # Stage 2: how (cnn_clipreid.yml).
    camera_embedding: float = _image(0.0, WEIGHT)
    """Coefficient of the camera embedding; SIE, ViT only, 0: none (vit_clipreid.yml)."""
    epochs: int = _image(120, EPOCHS)
    """Epochs of stage 2; 60 for a ViT (Sec. 4.2)."""
    people_per_batch: int = _image(16, (2, 4_096))
    """Identities in a batch (Sec. 4.2: P)."""
    images_per_person: int = _image(4, (1, 1_024))
    """Images of each identity in a batch (Sec. 4.2: K)."""
    rate: float = _image(3.5e-4, RATE)
    """Learning rate of stage 2; 5e-6 for a ViT (cnn_clipreid.yml)."""
    head_rate: float = _image(3.5e-4, RATE)
    """Learning rate of the fusion head; a ViT's 5e-6 would hardly move it (ours)."""
    bias_rate_factor: float = _image(2.0, WEIGHT)
    """Factor of the learning rate of biases (cnn_clipreid.yml)."""
    weight_decay: float = _image(5e-4, RATE)
    """Weight decay of stage 2 (cnn_clipreid.yml)."""
    schedule: Literal["steps", "cosine"] = _image("steps")
    """Learning-rate schedule of stage 2; the paper's is in steps (Sec. 4.2)."""
    warmup_epochs: float = _image(10, WARMUP)
    """Warm-up epochs of stage 2 (cnn_clipreid.yml)."""
    warmup_factor: float = _image(0.01, SHARE)
    """Share of the rate as that warm-up starts (cnn_clipreid.yml)."""
    milestones: tuple[int, ...] = _image((40, 70), EPOCHS)
    """Epochs that divide the rate by 10 (Sec. 4.2)."""
    padding: int = _image(10, (0, 512))
    """Pixels of padding before the random crop (Sec. 4.2)."""
    flip_probability: float = _image(0.5, SHARE)
    """Probability of a horizontal flip (Sec. 4.2)."""
    erase_probability: float = _image(0.5, SHARE)
    """Probability of random erasing (Sec. 4.2)."""
    erased_labels: Literal["ignore", "keep"] = _image("ignore")
    """Parts of erased pixels (ours)."""
    image_normalization: Literal["as-stage-1", "imagenet", "half", "clip"] = _image("as-stage-1")
    """Normalization in stage 2; a student may want another than its teacher's (ours)."""

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
            raise ValueError("own_head is in the pyramid's place; set part_text, and fusion to pyramid")
        if self.align_pixels == "confidence" and self.background == "balanced":
            raise ValueError("align_pixels confidence and background balanced both weight cells; drop one")

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
            named["global_text"] = "tuned"  # the same texts by any name: ids are those of before
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
    CLIP_REID_CNN, backbone="vit-b-16", normalization="half", identity_epochs=120, identity_weight=0.25, rate=5e-6,
    weight_decay=1e-4, warmup_factor=0.1, milestones=(30, 50), epochs=60,
)  # fmt: skip
CLIP_REID_VIT_SIE_OLP = replace(CLIP_REID_VIT, patch_stride=12, camera_embedding=1.0)  # the paper's ViT
