"""A model as one function from images to descriptors, its normalisation within or before, of length 1 or not."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.deployment.model import Deployed

INPUT, OUTPUT = "images", "descriptors"


class Exported(nn.Module):
    """Images [B, 3, H, W], RGB of 0..1 if `raw`, else normalised, to descriptors [B, D], of length 1 if `l2`.

    Cameras are unknown to it: a model with embeddings of them uses their mean.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Deployed, raw: bool, l2: bool) -> None:
        super().__init__()
        self.model, self.raw, self.l2 = model, raw, l2
        normalization = model.facts.normalization
        self.register_buffer("mean", torch.tensor(normalization.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Returns the descriptors."""
        normalised = (images - self.mean) / self.std if self.raw else images
        found = self.model(normalised)
        return F.normalize(found, dim=1) if self.l2 else found
