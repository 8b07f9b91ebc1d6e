"""CLIP's ResNet as CLIP-ReID uses it: last stride 1, positions for an h x w grid, all attention-pool tokens.

The four edits of method.md 6.2 to open_clip's ModifiedResNet; parameters keep OpenAI's names below `net`.
"""

import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from pivl.towers.architecture import RESNET_STRIDE, VisionArchitecture, check_image_size
from pivl.towers.attention import pool_cells, pool_first, pool_input
from pivl.towers.convolutional import ConvolutionalTower
from pivl.towers.features import Features


class ResNetTower(ConvolutionalTower):
    """An image tower for pictures of `image_size` (height, width), multiples of 16 (UserError).

    Random weights at first, drawn from torch's global generator; `clip.build_clip` seeds it for the length of
    the build. `zero_residual` keeps open_clip's zero scale on each bottleneck's last batch norm. Departs: the
    default is scale 1. Zero suits long training at scale; a small tower trained for minutes starts as nearly
    the identity and loses them.
    """

    def __init__(
        self, architecture: VisionArchitecture, image_size: tuple[int, int], zero_residual: bool = False
    ) -> None:
        super().__init__()
        height, width = image_size
        check_image_size(image_size, "resnet", None)
        self.architecture = architecture
        self.image_size = image_size
        self.grid = (height // RESNET_STRIDE, width // RESNET_STRIDE)
        channels = architecture.attention_width
        self.dims = (channels // 2, channels, architecture.embed_dim)
        self.map_channels = (channels // 8, channels // 4, channels // 2)
        self.net = ModifiedResNet(
            layers=list(architecture.layers),
            output_dim=architecture.embed_dim,
            heads=architecture.heads,
            width=architecture.width,
        )
        self.net.layer4[0].avgpool = nn.Identity()
        self.net.layer4[0].downsample[0] = nn.Identity()
        positions = torch.randn(self.grid[0] * self.grid[1] + 1, channels) * channels**-0.5
        self.net.attnpool.positional_embedding = nn.Parameter(positions)
        if not zero_residual:
            for name, parameter in self.net.named_parameters():
                if name.startswith("layer") and name.endswith("bn3.weight"):
                    nn.init.ones_(parameter)

    def stage_maps(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs of layer1..layer4 for image [B, 3, H, W]: strides 4, 8, 16 and 16."""
        layer1 = self.net.layer1(self.net.stem(image))
        layer2 = self.net.layer2(layer1)
        layer3 = self.net.layer3(layer2)
        return layer1, layer2, layer3, self.net.layer4(layer3)

    def forward(self, image: Tensor, camera: Tensor | None = None) -> Features:
        """Features of normalised image [B, 3, H, W]; `camera` is unused, a ResNet has no camera embedding."""
        *maps, layer4 = self.stage_maps(image)
        mean, tokens = pool_input(self.net.attnpool, layer4)
        return Features(
            last=maps[2].mean(dim=(2, 3)),
            feat=mean,
            proj=pool_first(self.net.attnpool, tokens),
            maps=tuple(maps),
            make_tokens=lambda: self._on_grid(pool_cells(self.net.attnpool, tokens)),
            shared=maps[2],
            deepest=layer4,
        )

    def embed(self, image: Tensor, camera: Tensor | None = None) -> Tensor:
        """[B, C + D]: CLIP-ReID's descriptor, feat and proj before the necks, not normalised."""
        mean, tokens = pool_input(self.net.attnpool, self.stage_maps(image)[3])
        return torch.cat([mean, pool_first(self.net.attnpool, tokens)], dim=1)

    def _on_grid(self, cells: Tensor) -> Tensor:
        return cells.transpose(1, 2).unflatten(2, self.grid)
