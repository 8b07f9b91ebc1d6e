"""ResNet-50 as torchreid and fast-reid train it: torchvision's layers, and each code's own stride, pooling and neck.

torchreid: layer4 averaged, stride 2; with a layer fc of 512, stride 1 and that. fast-reid: stride 1, a maximum pool
without padding, average or generalised mean pooling, and the feature after the batch-norm neck; its pixels are 0..255,
whose mean and deviation are ImageNet's times 255.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from pivl.data.normalization import IMAGENET
from pivl.deployment.loading import check_fit
from pivl.deployment.model import Deployed, Facts
from pivl.errors import UserError

SIZE = (256, 128)
BACKBONE, HEADS = "backbone.", "heads."
FC, CLASSIFIER = "fc.", "classifier."
NOT_PLAIN = {".IN.": "instance norms (IBN)", "NL_": "non-local blocks", ".se.": "squeeze and excitation"}
LEAST = 1e-6  # of what a generalised mean is taken of


class Maps(nn.Module):
    """torchvision's ResNet-50 up to layer4, whose stride may be 1."""

    def __init__(self, last_stride: int, pool: nn.Module | None = None) -> None:
        super().__init__()
        net = resnet50()
        if last_stride == 1:
            net.layer4[0].conv2.stride = net.layer4[0].downsample[0].stride = (1, 1)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, pool or net.maxpool)
        self.layers = nn.Sequential(net.layer1, net.layer2, net.layer3, net.layer4)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(self.stem(image))

    @staticmethod
    def own_name(name: str) -> str:
        """Returns our name of a tensor that torchvision, and all others, call `name`."""
        stem = {"conv1": "stem.0", "bn1": "stem.1"}
        first, _, rest = name.partition(".")
        if first in stem:
            return f"{stem[first]}.{rest}"
        return (
            f"layers.{int(first[5:]) - 1}.{rest}" if first[:5] == "layer" and first[5:].isdecimal() else name
        )


class Described(nn.Module):
    """A map, pooled by `pool` [B, C, h, w] to [B, C], and what is done to that."""

    def __init__(self, maps: Maps, pool: Callable[[Tensor], Tensor], neck: nn.Module) -> None:
        super().__init__()
        self.maps, self.pool, self.neck = maps, pool, neck

    def forward(self, image: Tensor, camera: Tensor | None = None) -> Tensor:
        return self.neck(self.pool(self.maps(image)))


def is_torchreid(state: Mapping[str, Tensor]) -> bool:
    """Returns whether names are a plain ResNet's."""
    return "layer1.0.conv3.weight" in state and "conv1.weight" in state


def is_fast_reid(state: Mapping[str, Tensor]) -> bool:
    """Returns whether names are fast-reid's: a backbone and heads."""
    return any(name.startswith(BACKBONE) for name in state) and any(name.startswith(HEADS) for name in state)


def load_torchreid(state: Mapping[str, Tensor], path: Path, image_size: tuple[int, int] | None) -> Deployed:
    """Returns torchreid's resnet50 or resnet50_fc512. Raises UserError for tensors that do not fit."""
    _refuse_others(state, path)
    head = {name: value for name, value in state.items() if name.startswith(FC)}
    body = {name: value for name, value in state.items() if not name.startswith((FC, CLASSIFIER))}
    neck: nn.Module = nn.Identity()
    if "fc.0.weight" in head:
        wide, deep = head["fc.0.weight"].shape[:2]
        neck = nn.Sequential(nn.Linear(deep, wide), nn.BatchNorm1d(wide), nn.ReLU())
    else:
        head = {}  # torchvision's classifier of ImageNet
    network = Described(Maps(1 if head else 2), _mean, neck)
    named = {f"maps.{Maps.own_name(name)}": value for name, value in body.items()}
    named |= {f"neck.{name.removeprefix(FC)}": value for name, value in head.items()}
    kind = "torchreid's resnet50_fc512" if head else "a ResNet-50 as torchreid's"
    return _filled(network, named, path, Facts(image_size or SIZE, IMAGENET, "pooled", kind))


def load_fast_reid(state: Mapping[str, Tensor], path: Path, image_size: tuple[int, int] | None) -> Deployed:
    """Returns fast-reid's ResNet-50 with its neck. Raises UserError for tensors that do not fit."""
    _refuse_others(state, path)
    body = {name.removeprefix(BACKBONE): value for name, value in state.items() if name.startswith(BACKBONE)}
    head = {name: value for name, value in state.items() if name.startswith(f"{HEADS}bottleneck.")}
    powers = [
        value
        for name, value in state.items()
        if name.startswith(f"{HEADS}pool_layer.") and name.endswith("p")
    ]
    if not head:
        raise UserError(
            f"{path}: fast-reid's, but without a batch-norm neck (heads.bottleneck); that is not read"
        )
    convolution = state.get(f"{HEADS}bottleneck.0.weight")
    layers: list[nn.Module] = []
    if convolution is not None and convolution.ndim == 4:
        layers.append(nn.Conv2d(convolution.shape[1], convolution.shape[0], 1, bias=False))
    layers.append(nn.BatchNorm2d(convolution.shape[0] if convolution is not None else 1))
    pool = _generalised(float(powers[0].flatten()[0])) if powers else _mean
    neck = nn.Sequential(nn.Unflatten(1, (-1, 1, 1)), *layers, nn.Flatten())
    network = Described(Maps(1, nn.MaxPool2d(3, 2, ceil_mode=True)), pool, neck)
    named = {f"maps.{Maps.own_name(name)}": value for name, value in body.items()}
    for name, value in head.items():
        place, _, rest = name.removeprefix(f"{HEADS}bottleneck.").partition(".")
        named[f"neck.{int(place) + 1 if place.isdecimal() else place}.{rest}"] = value
    pooled = f"generalised mean of power {float(powers[0].flatten()[0]):.3g}" if powers else "mean"
    notes = (f"pooled by the {pooled}", "pixels of 0..255 normalised as ImageNet's")
    facts = Facts(image_size or SIZE, IMAGENET, "after-neck", "fast-reid's ResNet-50", notes=notes)
    return _filled(network, named, path, facts)


def _filled(network: Described, named: Mapping[str, Tensor], path: Path, facts: Facts) -> Deployed:
    expected = network.state_dict()
    counters = {name: torch.zeros(()) for name in expected if name.endswith("num_batches_tracked")}
    own = {**counters, **named}
    check_fit(expected, own, path)
    network.load_state_dict(own)
    return Deployed(network, network.forward, facts)


def _refuse_others(state: Mapping[str, Tensor], path: Path) -> None:
    for part, what in NOT_PLAIN.items():
        if any(part in name for name in state):
            raise UserError(
                f"{path}: has {what}, which are not read; compare descriptors that its own code extracts"
            )


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(dim=(2, 3))


def _generalised(power: float) -> Callable[[Tensor], Tensor]:
    return lambda maps: maps.clamp(min=LEAST).pow(power).mean(dim=(2, 3)).pow(1 / power)
