"""The traits that all convolutional towers share; vit.py has those of a vision transformer."""

import torch
from torch import Tensor, nn

from pivl.towers.features import Features


class ConvolutionalTower(nn.Module):
    """An image tower whose grid parts the picture evenly and which has no camera embedding."""

    memory_format = torch.channels_last  # a fifth faster on a CPU for the embedded tower

    @property
    def convolutional(self) -> bool:
        """True: the tower has a map at each of several strides, for CnnFusion."""
        return True

    def descriptor(self, features: Features) -> Tensor:
        """Returns what `embed` does, from the features of the same pictures."""
        return features.both

    def overlapping_patches(self, grid: tuple[int, ...]) -> tuple[int, int] | None:
        """None: the cells of every grid part the picture evenly."""
        return None

    def add_camera_embedding(self, cameras: int, scale: float, generator: torch.Generator) -> None:
        """Change nothing and draw nothing."""

    def average_cameras(self, trained: Tensor) -> None:
        """Change nothing."""
