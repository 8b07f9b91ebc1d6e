"""The network of the embedded parsers: a small U-Net from a picture of a person to logits of its parts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 48, 64)  # channels at strides 2, 4, 8 and 16


class Block(nn.Module):
    """Two convolutions of 3 x 3 with batch norm: [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class UNet(nn.Module):
    """[B, 3, H, W] normalised, sides multiples of 16, to logits [B, classes, H / 2, W / 2].

    Going down halves the sides four times; going up, each size meets its equal from the way down.
    """

    def __init__(self, classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            Block(inputs, outputs, stride=2) for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        self.up = nn.ModuleList(
            Block(coarse + fine, fine) for coarse, fine in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[0], classes, 1)
        if generator is not None:
            self._draw(generator)

    def forward(self, images: Tensor) -> Tensor:
        maps = [images]
        for block in self.down:
            maps.append(block(maps[-1]))
        x = maps.pop()
        for block in self.up:
            fine = maps.pop()
            enlarged = F.interpolate(x, fine.shape[2:], mode="nearest")
            x = block(torch.cat([enlarged, fine], dim=1))
        logits: Tensor = self.head(x)
        return logits

    @torch.no_grad()
    def _draw(self, generator: torch.Generator) -> None:
        """He's initialisation, from one stream."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
