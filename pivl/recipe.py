"""Recipe: every choice that decides trained weights, except data, initial weights and seed (Sec. 4.2).

The defaults are CLIP-ReID's CNN configuration (cnn_clipreid.yml) with PI-VL switched off; RECIPES names it and
CLIP-ReID's others, and EMBEDDED is what the embedded benchmark trains. Each field names the first stage that depends
on it, so that stages can be shared by rows.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

Stage = Literal["identity-prompts", "part-prompts", "image-tower"]
STAGES: tuple[Stage, ...] = get_args(Stage)


def _choice(stage: Stage, default: Any) -> Any:
    return field(default=default, metadata={"stage": stage})


def _identity(default: Any) -> Any:
    return _choice("identity-prompts", default)


def _part(default: Any) -> Any:
    return _choice("part-prompts", default)


def _image(default: Any) -> Any:
    return _choice("image-tower", default)


def _later(stage: Stage, default: Any) -> Any:
    """A choice that came after records were written: at its default it is no part of their ids."""
    return field(default=default, metadata={"stage": stage, "later": True})


@dataclass(frozen=True)
class Recipe:
    """The choices of one run; learning rates are per step of Adam, image sizes in pixels, epochs over the train set.

    Raises ValueError at construction for a value outside its closed choice or range.
    """

    # Towers and pictures, seen by every stage.
    backbone: str = _identity("rn50")
    image_size: tuple[int, int] = _identity((256, 128))  # height, width (Sec. 4.2)
    normalization: Literal["imagenet", "half", "clip"] = _identity(
        "imagenet"
    )  # CLIP-ReID: CNN imagenet, ViT half
    patch_stride: int = _identity(16)  # ViT only; 12 = overlapping patches
    precision: Literal["fp32", "bf16", "fp16"] = _identity("fp32")
    similarity: Literal["dot", "clip"] = _identity(
        "dot"
    )  # raw dot products, or cosine times CLIP's own scale

    # Stage 1a: identity prompts (Eq. 1-2).
    identity_tokens: int = _identity(4)
    identity_epochs: int = _identity(60)
    prompt_batch: int = _identity(64)
    prompt_sampling: Literal["shuffle", "identity"] = _identity(
        "shuffle"
    )  # the paper says identity (PK), its base not
    prompt_rate: float = _identity(3.5e-4)
    prompt_warmup_epochs: int = _identity(5)
    prompt_warmup_rate: float = _identity(1e-5)
    prompt_least_rate: float = _identity(1e-6)
    prompt_weight_decay: float = _identity(1e-4)

    # Stage 1b: part prompts by dense contrast (Eq. 5-8).
    part_epochs: int = _part(20)
    part_rate: float = _part(3.5e-4)
    part_temperature: float = _part(0.07)  # the paper gives no value (method.md 0)
    part_schedule: Literal["after", "joint"] = _later(
        "part-prompts", "after"
    )  # joint: version 2, one stage 1 with both losses
    label_vote: Literal["majority", "foreground", "nearest"] = _part("majority")
    background: Literal["class", "ignore"] = _part("class")  # the paper lists it as a class

    # Stage 2: who learns (Sec. 4.4).
    student: str = _later("image-tower", "")  # empty: CLIP's own image tower; else a name of towers.student

    # Stage 2: which terms (Eq. 3-4, 11-12).
    identity_weight: float = _image(1.0)  # of each of two heads; 0.25 for ViT
    triplet_weight: float = _image(1.0)  # of each of three features
    image_to_text_weight: float = _image(1.0)  # 0: no global text
    part_text: Literal["none", "label", "identity+label"] = _image("none")  # Table 3, rows 1 to 3
    part_targets: Literal["text", "random", "permuted"] = _image(
        "text"
    )  # controls: any regression, right texts wrongly placed
    fusion: Literal["last", "pyramid"] = _image("last")  # Table 3, row 4
    align_weight: float = _image(1.0)  # lambda of Eq. 12; the paper gives no value
    align_pixels: Literal["equal", "confidence"] = _later(
        "image-tower", "equal"
    )  # confidence: version 2 weights pixels by the parser's
    align_stride: int = _image(8)  # of the fused map, in pixels (Eq. 10)
    channel_alignment: Literal["depth-wise", "point-wise"] = _later(
        "image-tower", "depth-wise"
    )  # CNN only; the paper names the first, which mixes no channels (method.md 2.3)
    global_text: Literal["tuned", "before-parts"] = _image(
        "tuned"
    )  # stage 1b moves the tokens: recompute, or keep 1a's
    label_smoothing: float = _image(0.1)
    triplet_margin: float = _image(0.3)

    # Stage 2: how (cnn_clipreid.yml).
    camera_embedding: float = _image(0.0)  # ViT only: coefficient of SIE; 0: none
    epochs: int = _image(120)
    people_per_batch: int = _image(16)
    images_per_person: int = _image(4)
    rate: float = _image(3.5e-4)
    head_rate: float = _image(3.5e-4)  # of the fusion head: ViT's 5e-6 would hardly move it
    bias_rate_factor: float = _image(2.0)
    weight_decay: float = _image(5e-4)
    schedule: Literal["steps", "cosine"] = _image("steps")
    warmup_epochs: float = _image(10)
    warmup_factor: float = _image(0.01)
    milestones: tuple[int, ...] = _image((40, 70))
    padding: int = _image(10)
    flip_probability: float = _image(0.5)
    erase_probability: float = _image(0.5)

    def __post_init__(self) -> None:
        for item in fields(self):
            allowed, value = get_args(item.type), getattr(self, item.name)
            if isinstance(value, str) and allowed and value not in allowed:
                raise ValueError(
                    f"{item.name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}"
                )
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{item.name} is {value}; it must not be negative")
        if self.prompt_batch % self.images_per_person:
            raise ValueError("prompt_batch must be a multiple of images_per_person")
        if self.part_schedule == "joint" and self.global_text == "before-parts":
            raise ValueError("part_schedule joint leaves no tokens before parts for global_text")

    def stages(self) -> tuple[Stage, ...]:
        """The stages that this recipe needs, in order: no text needs no prompts, labels alone need no part tuning."""
        if self.part_text == "identity+label":
            return STAGES if self.part_schedule == "after" else STAGES[1:]
        if self.image_to_text_weight > 0:
            return ("identity-prompts", "image-tower")
        return ("image-tower",)

    def sees_maps(self, stage: Stage) -> bool:
        """Whether the weights after `stage` depend on part maps: identity prompts, and rows without parts, never do."""
        return self.part_text != "none" and stage != "identity-prompts"

    def stage_choices(self, stage: Stage) -> dict[str, Any]:
        """The choices that the weights after `stage` depend on: its own and those of the stages before it."""
        known = fields_before(stage)
        return {name: value for name, value in self.choices().items() if name in known}

    def choices(self) -> dict[str, Any]:
        """The choices that name a run: all of them, but for later ones at their default."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        quiet = {item.name: item.default for item in fields(self) if item.metadata.get("later")}
        return {name: value for name, value in named.items() if value != quiet.get(name, ...)}


def fields_before(stage: Stage) -> frozenset[str]:
    """The fields of a recipe that the weights after `stage` depend on."""
    reached = STAGES[: STAGES.index(stage) + 1]
    return frozenset(item.name for item in fields(Recipe) if item.metadata["stage"] in reached)


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

RECIPES = {
    "clip-reid-cnn": CLIP_REID_CNN,
    "clip-reid-vit": CLIP_REID_VIT,
    "clip-reid-vit-sie-olp": CLIP_REID_VIT_SIE_OLP,
}

EMBEDDED = Recipe(
    backbone="tiny",
    image_size=(128, 64),
    normalization="clip",  # what the tiny CLIP was pre-trained with
    similarity="clip",  # the tiny CLIP's features have no useful length: it was trained on cosines
    identity_epochs=60,
    prompt_rate=2e-2,
    part_rate=2e-2,
    label_vote="foreground",  # a plain majority deletes most small parts of a small image
    identity_weight=0.25,
    triplet_weight=0.3,
    align_stride=4,  # 128 x 64 at stride 4 is the paper's 32 x 16 grid of 256 x 128
    epochs=8,
    rate=1.5e-3,
    head_rate=1.5e-3,
    schedule="cosine",
    warmup_epochs=1.2,
    padding=5,
)  # learning rates and epochs were chosen on held-out training people, never on the test people
