"""The shapes of CLIP's two towers as values: what a checkpoint fixes, and nothing that a recipe chooses.

Image size, patch stride and camera embedding are not here: one checkpoint serves all of them.
"""

from dataclasses import dataclass, replace
from typing import Literal

HEAD_WIDTH = 64  # every attention head of OpenAI's CLIP is 64 wide, so heads follow from the width


@dataclass(frozen=True)
class VisionArchitecture:
    """An image tower. `layers`: bottlenecks of the four ResNet stages, or one number of transformer blocks.

    `width`: channels after the ResNet stem, or of the transformer; `patch`: pixels, ViT only.
    Raises ValueError for numbers that cannot be built.
    """

    kind: Literal["resnet", "vit"]
    layers: tuple[int, ...]
    width: int
    heads: int
    embed_dim: int
    patch: int | None = None

    def __post_init__(self) -> None:
        if len(self.layers) != (4 if self.kind == "resnet" else 1):
            raise ValueError(
                f"a {self.kind} has {4 if self.kind == 'resnet' else 1} entries in layers: {self.layers}"
            )
        if (self.patch is None) != (self.kind == "resnet"):
            raise ValueError(f"a ViT has a patch size and a ResNet none: {self}")
        if self.attention_width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.attention_width}")

    @property
    def attention_width(self) -> int:
        """Channels where attention happens: the last ResNet stage, or the transformer."""
        return self.width * 32 if self.kind == "resnet" else self.width


@dataclass(frozen=True)
class TextArchitecture:
    """A text tower: transformer of `layers` blocks, `context` positions and `vocabulary` token ids."""

    layers: int
    width: int
    heads: int
    embed_dim: int
    context: int = 77
    vocabulary: int = 49408

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}")


@dataclass(frozen=True)
class ClipArchitecture:
    """Both towers; their features share one space, so `embed_dim` must agree (ValueError)."""

    vision: VisionArchitecture
    text: TextArchitecture

    def __post_init__(self) -> None:
        if self.vision.embed_dim != self.text.embed_dim:
            raise ValueError(
                f"the towers differ in embed_dim: {self.vision.embed_dim}, {self.text.embed_dim}"
            )


RN50 = ClipArchitecture(
    VisionArchitecture("resnet", layers=(3, 4, 6, 3), width=64, heads=32, embed_dim=1024),
    TextArchitecture(layers=12, width=512, heads=8, embed_dim=1024),
)
RN101 = ClipArchitecture(
    VisionArchitecture("resnet", layers=(3, 4, 23, 3), width=64, heads=32, embed_dim=512),
    TextArchitecture(layers=12, width=512, heads=8, embed_dim=512),
)
RN50X4 = ClipArchitecture(
    VisionArchitecture("resnet", layers=(4, 6, 10, 6), width=80, heads=40, embed_dim=640),
    TextArchitecture(layers=12, width=640, heads=10, embed_dim=640),
)
VIT_B_16 = ClipArchitecture(
    VisionArchitecture("vit", layers=(12,), width=768, heads=12, embed_dim=512, patch=16),
    TextArchitecture(layers=12, width=512, heads=8, embed_dim=512),
)
VIT_B_32 = replace(VIT_B_16, vision=replace(VIT_B_16.vision, patch=32))
VIT_L_14 = ClipArchitecture(
    VisionArchitecture("vit", layers=(24,), width=1024, heads=16, embed_dim=768, patch=14),
    TextArchitecture(layers=12, width=768, heads=12, embed_dim=768),
)
NAMED = {
    "RN50": RN50,
    "RN101": RN101,
    "RN50x4": RN50X4,
    "ViT-B/16": VIT_B_16,
    "ViT-B/32": VIT_B_32,
    "ViT-L/14": VIT_L_14,
}
"""OpenAI's own; others have the same shapes with another activation, which these towers do not compute."""
