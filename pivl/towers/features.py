"""The features of a batch of pictures; the projected dense tokens only when asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Features:
    """Features of B pictures on an h x w token grid (method.md 1.4).

    last [B, C_last]: layer3 averaged, or the class token after the last but one block, before ln_post.
    feat [B, C]: layer4 averaged, or the class token of the last block after ln_post.
    proj [B, D]: attention-pool token 0, or feat projected; the joint space of image and text.
    maps: [B, C_i, h_i, w_i] for hierarchical fusion: layer1..3, or the last block's patches before ln_post.
    shared: the deepest tensor that all of the above come from: the last of several maps, or what the last block reads.
    deepest [B, C, h, w]: layer4; a ViT has none.
    """

    last: Tensor
    feat: Tensor
    proj: Tensor
    maps: tuple[Tensor, ...]
    make_tokens: Callable[[], Tensor]
    shared: Tensor
    deepest: Tensor | None = None

    @property
    def both(self) -> Tensor:
        """[B, C + D]: feat and proj side by side, CLIP-ReID's descriptor before the necks, not normalised."""
        return torch.cat([self.feat, self.proj], dim=1)

    @cached_property
    def tokens(self) -> Tensor:
        """[B, D, h, w] dense tokens in the joint space, computed at the first use, in the grad mode there."""
        return self.make_tokens()
