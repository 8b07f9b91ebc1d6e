"""Students of Sec. 4.4 (Table 5): light networks of any making in place of CLIP's image tower in stage 2.

MobileNetV2 as torchvision defines it, or any network of timm with feature maps. A linear layer leads to CLIP's text space
in training; the deployed descriptor is the pooled feature alone, so texts cost it nothing.
Departs: the paper gives no details of its student; MobileNetV2's last stride is 1, as that of CLIP-ReID's towers, so
that a map of 8x4 cells is left of the embedded benchmark's pictures. Strides of timm's networks are those of ImageNet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from pivl.errors import UserError, first_line
from pivl.towers.clip import ImageTower, drawing_from
from pivl.towers.convolutional import ConvolutionalTower
from pivl.towers.features import Features
from pivl.towers.student_names import parse_student

FUSED_BLOCKS = (3, 6, 13)  # of MobileNetV2: the last ones at strides 4, 8 and 16
LAST_STRIDE = 14  # the block of MobileNetV2 that has it


class StudentTower(ConvolutionalTower):
    """An image tower around `net`, which makes maps [B, C_i, h_i, w_i] of normalised pictures, the last the deepest.

    `channels`: the C_i. `embed_dim`: of the text space, which a linear layer leads to. A batch norm stands before it,
    since maps after a ReLU are far from centred, and Adam's steps in a thousand such channels add up; once trained it is
    linear too. The layer is drawn from torch's global generator, as `net` was; build_student sees to that.
    """

    def __init__(self, net: nn.Module, channels: Sequence[int], embed_dim: int) -> None:
        super().__init__()
        *maps, last = channels
        self.net = net
        self.project = nn.Sequential(nn.BatchNorm2d(last, affine=False), nn.Conv2d(last, embed_dim, 1))
        self.dims = (maps[-1], last, embed_dim)
        self.map_channels = tuple(maps)

    def forward(self, image: Tensor, camera: Tensor | None = None) -> Features:
        """Features of normalised image [B, 3, H, W], `last` of the map before the deepest; `camera` is unused."""
        *maps, deepest = self.net(image)
        tokens = self.project(deepest)
        return Features(
            last=maps[-1].mean(dim=(2, 3)),
            feat=deepest.mean(dim=(2, 3)),
            proj=tokens.mean(dim=(2, 3)),
            maps=tuple(maps),
            make_tokens=lambda: tokens,
            shared=maps[-1],
            deepest=deepest,
        )

    def embed(self, image: Tensor, camera: Tensor | None = None) -> Tensor:
        """[B, C]: the pooled feature, which needs no text space; not normalised."""
        return self.net(image)[-1].mean(dim=(2, 3))

    def descriptor(self, features: Features) -> Tensor:
        """Returns what `embed` does, from the features of the same pictures."""
        return features.feat


Tower = ImageTower | StudentTower


class MobileNetV2(nn.Module):
    """torchvision's MobileNetV2 of `width` without its classifier: the maps of FUSED_BLOCKS and the last one."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.features = mobilenet_v2(width_mult=width).features
        self.features[LAST_STRIDE].conv[1][0].stride = (1, 1)
        wide = [self.features[block].out_channels for block in FUSED_BLOCKS]
        self.channels = (*wide, self.features[-1].out_channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = []
        for place, block in enumerate(self.features):
            image = block(image)
            if place in FUSED_BLOCKS:
                maps.append(image)
        return [*maps, image]


class TimmMaps(nn.Module):
    """The network `name` of timm with random weights: its deepest map and up to three before it.

    Raises UserError for a name that timm does not have, or whose network gives no such maps.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm

        try:
            net: Any = timm.create_model(name, features_only=True, pretrained=False)
        except (RuntimeError, AttributeError, TypeError, ValueError, AssertionError) as error:
            reason = first_line(error)
            raise UserError(
                f"timm:{name}: timm makes no feature maps of it ({reason}); name another network"
            ) from error
        self.net: nn.Module = net
        self.channels = tuple(net.feature_info.channels())[-4:]
        if len(self.channels) < 2:
            raise UserError(f"timm:{name} has a single feature map; name a network with several")

    def forward(self, image: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.net(image)[-4:]
        return maps


def build_student(
    name: str,
    image_size: tuple[int, int],
    embed_dim: int,
    generator: torch.Generator,
    state: Mapping[str, Tensor] | None = None,
) -> StudentTower:
    """Returns the student `name`, its weights drawn from `generator` alone, for pictures of `image_size` (height, width).

    `state`: tensors for the network (student_weights.read_student), which leave only the linear layer as it was drawn.
    Raises UserError for an unknown name, or a network that does not make maps of such pictures.
    """
    with drawing_from(generator):
        tower = shape_student(name, embed_dim)
    if state is not None:
        tower.net.load_state_dict(dict(state), strict=False)
    _try(tower, name, image_size)
    return tower


def shape_student(name: str, embed_dim: int) -> StudentTower:
    """Returns the student `name`, drawn from torch's global generator, not tried. Raises UserError for a wrong name."""
    kind = parse_student(name)
    net = TimmMaps(kind) if isinstance(kind, str) else MobileNetV2(kind)
    return StudentTower(net, net.channels, embed_dim)


@torch.no_grad()
def _try(tower: StudentTower, name: str, image_size: tuple[int, int]) -> None:
    """Raise UserError unless one grey picture becomes the maps that the network claims to make."""
    wanted = [*tower.map_channels, tower.dims[1]]
    try:
        found = [tuple(image.shape) for image in tower.eval().net(torch.zeros(1, 3, *image_size))]
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = first_line(error)
        raise UserError(
            f"{name} does not take images of {image_size[0]}x{image_size[1]} ({reason}); name another network"
        ) from error
    if any(len(shape) != 4 or shape[1] != width for shape, width in zip(found, wanted, strict=True)):
        raise UserError(
            f"{name} makes no feature maps [batch, channels, height, width]; name another network"
        )
    tower.train()
