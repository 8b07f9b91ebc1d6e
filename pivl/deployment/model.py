"""A network that describes people, with the transform of its pictures: what is left of a method once it is trained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pivl.data.cache.pixels import RESAMPLING
from pivl.data.normalization import Normalization
from pivl.data.picture_file import read_rgb

UNKNOWN = -1  # a camera that no training picture is by: the mean of the embeddings of those that are
Embed = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Facts:
    """How a model is used: pictures at image_size (height, width), normalised; `cameras` have an embedding, if any.

    descriptor: which feature, as a signature names it; training_data: what is known of it, empty if nothing; kind: in
    words.
    """

    image_size: tuple[int, int]
    normalization: Normalization
    descriptor: str
    kind: str
    cameras: int = 0
    training_data: str = ""
    notes: tuple[str, ...] = field(default=())


class Deployed(nn.Module):
    """A model in evaluation mode: `embed(torch.stack([model.transform(path) for path in paths]))`.

    `describe` is a method of `network`: normalised images [B, 3, H, W] and cameras int64 [B], or None, to
    descriptors [B, D].
    """

    def __init__(self, network: nn.Module, describe: Embed, facts: Facts) -> None:
        super().__init__()
        self.network, self.describe, self.facts = network, describe, facts
        self.eval()

    def transform(self, picture: Image.Image | Path | str) -> Tensor:
        """Returns a picture as `embed` takes it, float32 [3, H, W]: resized as query and gallery are, normalised.

        Raises UserError for a file that cannot be read.
        """
        return self.facts.normalization.normalize(torch.from_numpy(self.pixels(picture)))

    def pixels(self, picture: Image.Image | Path | str) -> "np.ndarray":
        """Returns a picture at the model's size, uint8 [3, H, W] (RGB)."""
        upright = picture.convert("RGB") if isinstance(picture, Image.Image) else read_rgb(Path(picture))
        resized = upright.resize(self.facts.image_size[::-1], RESAMPLING["query"])
        return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))

    @torch.no_grad()
    def embed(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """Returns descriptors [B, D], not normalised, of images [B, 3, H, W] as `transform` gives them.

        cameras int64 [B] are those of the training data, UNKNOWN for others; None: all unknown.
        """
        if not self.facts.cameras:
            return self.describe(images, None)
        unknown = torch.full((images.shape[0],), UNKNOWN, device=images.device)
        return self.describe(images, unknown if cameras is None else cameras)

    def forward(self, images: Tensor) -> Tensor:
        """Returns what `embed` does, with gradients and for unknown cameras."""
        unknown = (
            torch.full((images.shape[0],), UNKNOWN, device=images.device) if self.facts.cameras else None
        )
        return self.describe(images, unknown)
