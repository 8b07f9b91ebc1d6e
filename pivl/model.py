"""The model that stage 2 trains and that is deployed: an image tower, two batch-norm necks and two classifiers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pivl.fusion import Head
from pivl.towers.features import Features
from pivl.towers.student import Tower


class ReIDModel(nn.Module):
    """CLIP-ReID's model over `people` training identities (method.md 1.4); PI-VL adds nothing to it.

    The classifiers' weights are drawn from `generator`, N(0, 0.001); the necks' biases stay 0.
    """

    def __init__(self, tower: Tower, people: int, generator: torch.Generator) -> None:
        super().__init__()
        self.tower = tower
        _, feat, proj = tower.dims
        self.neck, self.neck_proj = _neck(feat), _neck(proj)
        self.classifier = nn.Linear(feat, people, bias=False)
        self.classifier_proj = nn.Linear(proj, people, bias=False)
        with torch.no_grad():
            self.classifier.weight.normal_(0, 0.001, generator=generator)
            self.classifier_proj.weight.normal_(0, 0.001, generator=generator)

    def embed(self, image: Tensor, camera: Tensor | None = None) -> Tensor:
        """The deployed descriptor, before necks and not normalised: both features [B, C + D], a student's one [B, C]."""
        return self.tower.embed(image, camera)

    def logits(self, features: Features) -> tuple[Tensor, Tensor]:
        """Identity logits [B, people] of the tower's pooled feature and of its projection."""
        return self.classifier(self.neck(features.feat)), self.classifier_proj(self.neck_proj(features.proj))

    def in_quick_layout(self) -> "ReIDModel":
        """Returns the model itself, its weights in the memory format that suits the tower."""
        return self.to(memory_format=self.tower.memory_format)

    def trained_parameters(self) -> list[nn.Parameter]:
        """Returns all parameters but the necks' biases, which CLIP-ReID keeps at 0."""
        frozen = {id(self.neck.bias), id(self.neck_proj.bias)}
        return [parameter for parameter in self.parameters() if id(parameter) not in frozen]


@dataclass(frozen=True)
class Trained:
    """The outcome of stage 2: the model that is deployed, and the training-only head that reads its dense features."""

    model: ReIDModel
    head: Head

    def state(self) -> dict[str, Tensor]:
        """Returns all tensors on the CPU by name; those that are not deployed begin with "head."."""
        named = {**self.model.state_dict(), **self.head.state_dict(prefix="head.")}
        return {name: value.detach().cpu().contiguous() for name, value in named.items()}

    def both(self) -> nn.Module:
        """Returns model and head as one module."""
        return nn.ModuleDict({"model": self.model, "head": self.head})

    def set_training(self, training: bool) -> "Trained":
        """Sets model and head to training or to evaluation mode; returns them."""
        self.both().train(training)
        return self


def _neck(width: int) -> nn.BatchNorm1d:
    neck = nn.BatchNorm1d(width)
    neck.bias.requires_grad_(False)
    return neck
