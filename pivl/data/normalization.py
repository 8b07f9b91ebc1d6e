"""The normalisations that towers and parsers were pre-trained with; importing them loads no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation per RGB channel, values in [0, 1], that a tower was pre-trained with."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def normalize(self, image: "Tensor") -> "Tensor":
        """Returns (image / 255 - mean) / std: uint8 [B, 3, H, W] to float32 of that shape."""
        scale, shift = self.factors(image.device)
        return image.float().mul_(scale).sub_(shift)

    def factors(self, device: "torch.device") -> "tuple[Tensor, Tensor]":
        """Returns the factor of pixels of 0..255 and what is then subtracted: [3, 1, 1] each."""
        import torch  # here, so that the command line, which offers the names, need not load it

        std = torch.tensor(self.std, device=device).view(3, 1, 1)
        mean = torch.tensor(self.mean, device=device).view(3, 1, 1)
        return 1 / (255 * std), mean / std


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # CLIP-ReID's CNN
HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # CLIP-ReID's ViT
CLIP = Normalization((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
NORMALIZATIONS = {"imagenet": IMAGENET, "half": HALF, "clip": CLIP}
