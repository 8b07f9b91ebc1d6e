"""Pictures on the training device, and the batches a tower sees (method.md 1.9).

The decoded pixels of a training set fit in memory (Market-1501 at 256 x 128: 1.3 GB), so they are moved
once and read by index.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pivl.data.normalization import Normalization
from pivl.data.pictures import Pictures


@dataclass(frozen=True)
class Planes:
    """B pictures as tensors: image [B, 3, H, W], person, camera int64 [B], part_map, confidence uint8 [B, H, W]."""

    image: Tensor
    person: Tensor
    camera: Tensor
    part_map: Tensor | None
    confidence: Tensor | None = None


class Decoded(Planes):
    """B pictures as stored: the image is uint8."""


class Batch(Planes):
    """B pictures as a tower sees them: the image is float32, normalised."""


class Store(Planes):
    """A set of B pictures held on one device, as stored."""

    @classmethod
    def hold(cls, pictures: Pictures, device: torch.device | str) -> "Store":
        """Move `pictures` to `device`, once; tensors that are there already are shared, not copied."""
        planes = (pictures.part_map, pictures.confidence)
        moved = (None if plane is None else plane.to(device) for plane in planes)
        return cls(pictures.image.to(device), pictures.person.to(device), pictures.camera.to(device), *moved)

    def __len__(self) -> int:
        return len(self.person)

    def gather(self, index: Tensor) -> Decoded:
        """Returns the pictures at `index`, int64 [B] on any device, in that order."""
        index = index.to(self.image.device)
        planes = (
            None if plane is None else plane.index_select(0, index)
            for plane in (self.part_map, self.confidence)
        )
        image = self.image.index_select(0, index)  # rows at once: nine times as fast as image[index]
        return Decoded(image, self.person[index], self.camera[index], *planes)


def plain(decoded: Decoded, normalization: Normalization) -> Batch:
    """`decoded` normalised and otherwise as it is: for evaluation and for the features cached in stage 1."""
    image = normalization.normalize(decoded.image)
    return Batch(image, decoded.person, decoded.camera, decoded.part_map, decoded.confidence)
