"""The shapes of CLIP's two towers as values: what a checkpoint fixes, and nothing that a recipe chooses.

Image size, patch stride and camera embedding are not here: one checkpoint serves all of them.
"""

from dataclasses import dataclass, replace
from typing import Literal

from pivl.errors import UserError

RESNET_STRIDE = 16  # pixels per token: the stem's 4, and layers 2 and 3
HEAD_WIDTH = 64  # every attention head of OpenAI's CLIP is 64 wide, so heads follow from the width
Activation = Literal["quick_gelu", "gelu"]  # OpenAI's, and what others trained with


@dataclass(frozen=True)
class VisionArchitecture:
    """An image tower. `layers`: bottlenecks of the four ResNet stages, or one number of transformer blocks.

    `width`: channels after the ResNet stem, or of the transformer. ViT only: `patch` in pixels, width (None: 4 times its
    own) and `activation` of its MLPs.
    Raises ValueError for numbers that cannot be built.
    """

    kind: Literal["resnet", "vit"]
    layers: tuple[int, ...]
    width: int
    heads: int
    embed_dim: int
    patch: int | None = None
    mlp_width: int | None = None
    activation: Activation = "quick_gelu"

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

    @property
    def hidden(self) -> int:
        """Channels inside the MLPs of a ViT."""
        return self.mlp_width or 4 * self.width


@dataclass(frozen=True)
class TextArchitecture:
    """A text tower: transformer of `layers` blocks, `context` positions and `vocabulary` token ids."""

    layers: int
    width: int
    heads: int
    embed_dim: int
    context: int = 77
    vocabulary: int = 49408
    activation: Activation = "quick_gelu"

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

    def as_seen(self) -> "ClipArchitecture":
        """What names and shapes of its tensors tell of it: neither heads nor activation, which are OpenAI's here."""
        vision, text = self.vision, self.text
        return ClipArchitecture(
            replace(
                vision,
                heads=max(vision.attention_width // HEAD_WIDTH, 1),
                mlp_width=None if vision.kind == "resnet" else vision.hidden,
                activation="quick_gelu",
            ),
            replace(text, heads=max(text.width // HEAD_WIDTH, 1), activation="quick_gelu"),
        )

    def looks_like(self, other: "ClipArchitecture") -> bool:
        """Returns whether names and shapes of tensors tell no difference."""
        try:
            return self.as_seen() == other.as_seen()
        except ValueError:  # a width that no number of OpenAI's heads divides
            return False


def check_image_size(size: tuple[int, int], kind: Literal["resnet", "vit"], patch: int | None) -> None:
    """Raise UserError where an image tower takes no pictures of `size` (height, width); patch: of a ViT, if known."""
    height, width = size
    if kind == "resnet" and (height % RESNET_STRIDE or width % RESNET_STRIDE):
        raise UserError(
            f"image size {height}x{width} does not fit a ResNet; use multiples of {RESNET_STRIDE}"
        )
    if patch is not None and min(size) < patch:
        raise UserError(f"image size {height}x{width} is smaller than a patch of {patch}")
