"""A loss and a fusion head of one's own: rows of a study that pivl-bench knows nothing of.

pivl-bench run --study examples/own_loss.py --preset smoke
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.recipe import Recipe
from pivl.stages.own_code import LossInput
from pivl.towers.features import Features
from pivl.towers.student import Tower
from studies.ablation import PI_VL, pi_vl
from studies.study import Row, Study

MARGIN = 0.2


def camera_centres(step: LossInput) -> Tensor:
    """Returns how far the mean features of a person under two cameras are apart, beyond a margin; scalar, [0, inf)."""
    feature = functional.normalize(step.feat, dim=1)
    same = (step.person[:, None] == step.person) & (step.camera[:, None] != step.camera)
    distance = (feature[:, None] - feature).square().sum(2)
    return (functional.relu(distance - MARGIN) * same).sum() / same.sum().clamp(min=1)


class Gated(nn.Module):
    """The maps of conv2 to conv4, projected, resized to the grid and summed by gates that are learnt; [B, D, h, w]."""

    def __init__(self, recipe: Recipe, tower: Tower, generator: torch.Generator) -> None:
        super().__init__()
        height, width = recipe.image_size
        self.grid = (height // recipe.align_stride, width // recipe.align_stride)
        self.project = nn.ModuleList(nn.Conv2d(width, tower.dims[2], 1) for width in tower.map_channels)
        self.gates = nn.Parameter(torch.zeros(len(self.project)))

    def forward(self, features: Features) -> Tensor:
        """Returns one map of a batch's features."""
        maps = [
            functional.interpolate(project(one), size=self.grid, mode="bilinear")
            for project, one in zip(self.project, features.maps, strict=True)
        ]
        return (torch.stack(maps) * self.gates.softmax(0).view(-1, 1, 1, 1, 1)).sum(0)


OWN = Study(
    name="own-loss",
    title="A loss and a head of our own",
    question="Does a term that draws cameras together, or a gated head, add to PI-VL?",
    rows=(
        PI_VL,
        Row("cameras", "+ camera centres", "PI-VL", {**pi_vl, "own_loss_weight": 0.5}, loss=camera_centres),
        Row("gated", "with a gated head", "PI-VL", pi_vl, head=Gated),
    ),
    reference="pi-vl",
    caption="Each row is PI-VL with one piece of code from this file.",
)
