"""SCHP's network, Augmented CE2P on ResNet-101, for inference (Li et al., TPAMI 2020; method.md 3.2).

Its modules carry the names of the official checkpoints. What only training needs is held but never computed: the
logits of the parsing branch (`decoder.conv4`) and of the edges (`edge.conv4`, `edge.conv5`).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.errors import UserError
from pivl.system.files import check_regular
from pivl.towers.file_formats.foreign import describe_names
from pivl.towers.file_formats.weights_file import read_state

EPS = 1e-5
SLOPE = 0.01  # of the leaky ReLU in the heads
BLOCKS = (3, 4, 23, 3)  # of ResNet-101
EXPANSION = 4
POOLS = (1, 2, 3, 6)  # cells a side of the pyramid pooling


class Norm(nn.Module):
    """Batch norm by running statistics as SCHP's in-place kernel computes it, then a leaky ReLU where asked.

    The scale is |weight| + eps: trained weights may be negative, and the sign is dropped there. x [B, C, H, W].
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, leaky: bool = False) -> None:
        super().__init__()
        self.leaky = leaky
        self.weight = nn.Parameter(torch.ones(channels), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs() + EPS
        x = F.batch_norm(x, self.running_mean, self.running_var, scale, self.bias, eps=EPS)
        return F.leaky_relu_(x, SLOPE) if self.leaky else x


class Bottleneck(nn.Module):
    """ResNet's residual block, [B, inputs, H, W] to [B, 4 planes, H / stride, W / stride]."""

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = planes * EXPANSION
        self.conv1 = conv(inputs, planes, 1)
        self.bn1 = Norm(planes)
        self.conv2 = conv(planes, planes, 3, stride, dilation)
        self.bn2 = Norm(planes)
        self.conv3 = conv(planes, outputs, 1)
        self.bn3 = Norm(outputs)
        changes = stride != 1 or inputs != outputs
        self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), Norm(outputs)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu_()
        out = self.bn2(self.conv2(out)).relu_()
        out = self.bn3(self.conv3(out))
        return out.add_(x if self.downsample is None else self.downsample(x)).relu_()


class PyramidPooling(nn.Module):
    """Context: averages over 1, 2, 3 and 6 cells a side beside the map itself, [B, 2048, h, w] to [B, 512, h, w]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(cells), conv(inputs, outputs, 1), Norm(outputs, leaky=True))
            for cells in POOLS
        )
        self.bottleneck = head(inputs + len(POOLS) * outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck(torch.cat([*(enlarge(stage(x), x) for stage in self.stages), x], dim=1))


class EdgeFeatures(nn.Module):
    """256 channels from each of layer1, layer2 and layer3, at the size of layer1: [B, 768, h, w]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = head(256, 256), head(512, 256), head(1024, 256)
        self.conv4 = nn.Conv2d(256, 2, 3, padding=1)
        self.conv5 = nn.Conv2d(6, 2, 1)

    def forward(self, layer1: Tensor, layer2: Tensor, layer3: Tensor) -> Tensor:
        finest = self.conv1(layer1)
        coarser = (enlarge(some, finest) for some in (self.conv2(layer2), self.conv3(layer3)))
        return torch.cat([finest, *coarser], dim=1)


class Decoder(nn.Module):
    """Context brought to the detail of layer1: [B, 512, ., .] and [B, 256, h, w] to [B, 256, h, w]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = head(512, 256), head(256, 48)
        self.conv3 = nn.Sequential(*head(304, 256), *head(256, 256))
        self.conv4 = nn.Conv2d(256, classes, 1)

    def forward(self, context: Tensor, layer1: Tensor) -> Tensor:
        return self.conv3(torch.cat([enlarge(self.conv1(context), layer1), self.conv2(layer1)], dim=1))


class AugmentCE2P(nn.Module):
    """[B, 3, H, W] in SCHP's normalisation to the fused logits [B, classes, ceil(H / 4), ceil(W / 4)].

    For inference only: norms use running statistics in any mode, and no parameter has a gradient.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64, 3, stride=2), Norm(64)
        self.conv2, self.bn2 = conv(64, 64, 3), Norm(64)
        self.conv3, self.bn3 = conv(64, 128, 3), Norm(128)
        self.layer1 = layer(128, 64, BLOCKS[0])
        self.layer2 = layer(256, 128, BLOCKS[1], stride=2)
        self.layer3 = layer(512, 256, BLOCKS[2], stride=2)
        self.layer4 = layer(1024, 512, BLOCKS[3], dilation=2)
        self.context_encoding = PyramidPooling(2048, 512)
        self.edge = EdgeFeatures()
        self.decoder = Decoder(classes)
        # The third is a dropout in training; the checkpoints count it.
        self.fushion = nn.Sequential(*head(1024, 256), nn.Identity(), nn.Conv2d(256, classes, 1))
        self.requires_grad_(False)

    @property
    def classes(self) -> int:
        """The number of parts, background included."""
        return self.decoder.conv4.out_channels

    def forward(self, images: Tensor) -> Tensor:
        x = self.bn1(self.conv1(images)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        x = self.bn3(self.conv3(x)).relu_()
        layer1 = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        parsing = self.decoder(self.context_encoding(self.layer4(layer3)), layer1)
        return self.fushion(torch.cat([parsing, self.edge(layer1, layer2, layer3)], dim=1))


def conv(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Returns a convolution without bias whose output is as large as its input, over the stride."""
    return nn.Conv2d(inputs, outputs, size, stride, dilation * (size // 2), dilation, bias=False)


def head(inputs: int, outputs: int, size: int = 1) -> nn.Sequential:
    """Convolution, norm and leaky ReLU: the element of every head."""
    return nn.Sequential(conv(inputs, outputs, size), Norm(outputs, leaky=True))


def layer(inputs: int, planes: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """One stage of the ResNet; its first block changes size and width."""
    first = Bottleneck(inputs, planes, stride, dilation)
    return nn.Sequential(
        first, *(Bottleneck(planes * EXPANSION, planes, 1, dilation) for _ in range(blocks - 1))
    )


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """x, bilinear, corners on corners, at the height and width of `like`."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


def empty_network(classes: int) -> AugmentCE2P:
    """Returns the network with shapes only, for `fill`."""
    with torch.device("meta"):
        return AugmentCE2P(classes)


def fill(network: AugmentCE2P, state: Mapping[str, Tensor]) -> AugmentCE2P:
    """`network`, in evaluation mode, with the tensors of `state` themselves: nothing is copied."""
    network.load_state_dict(dict(state), assign=True)
    return network.requires_grad_(False).eval()


def read_network(path: Path) -> AugmentCE2P:
    """Returns the network of an official checkpoint, or of one with its keys, on the CPU; the file says how many classes.

    No pickled code is run. Raises UserError, one line, where the file is absent, cut short or of another network.
    """
    check_regular(path, "checkpoint", "download one of SCHP's, exp-schp-*.pth, and name it")
    state, _ = read_state(path)
    last = state.get("fushion.3.weight")
    if last is None or last.ndim != 4:
        what = describe_names(state, "name one of SCHP's checkpoints")
        raise UserError(f"{path}: holds no fushion.3.weight of a SCHP network but {what}")
    network = empty_network(len(last))
    expected = network.state_dict()
    if differing := sorted(expected.keys() ^ state.keys()):
        what = "lacks" if differing[0] in expected else "has"
        raise UserError(
            f"{path}: {what} {differing[0]} ({len(differing)} keys differ), unlike SCHP with ResNet-101; "
            "name one of its checkpoints"
        )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise UserError(
                f"{path}: {key} is of shape {tuple(value.shape)}, not {tuple(expected[key].shape)}; "
                "name a checkpoint of SCHP with ResNet-101"
            )
    return fill(network, state)
