"""CLIP's vision transformer with overlapping patches and a camera embedding as options (method.md 1.8).

open_clip's blocks and parameter names, our own forward: its own assumes that patches do not overlap.
"""

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from pivl.towers.architecture import VisionArchitecture, check_image_size
from pivl.towers.attention import ACTIVATIONS, block_output_at
from pivl.towers.features import Features


class VisionTower(nn.Module):
    """An image tower for pictures of `image_size` (height, width), cut into patches every `stride` pixels.

    `stride` None is the patch itself. Raises UserError for a picture smaller than a patch. Random weights at
    first, drawn from torch's global generator; `clip.build_clip` seeds it for the length of the build.
    """

    memory_format = torch.contiguous_format

    @property
    def convolutional(self) -> bool:
        """False: the tower has one map, which VitFusion makes a pyramid of."""
        return False

    def __init__(
        self, architecture: VisionArchitecture, image_size: tuple[int, int], stride: int | None = None
    ) -> None:
        super().__init__()
        patch = architecture.patch
        if patch is None:
            raise ValueError("a vision transformer needs a patch size")
        stride = stride or patch
        check_image_size(image_size, "vit", patch)
        self.architecture = architecture
        self.image_size = image_size
        self.patch, self.stride = patch, stride
        self.grid = ((image_size[0] - patch) // stride + 1, (image_size[1] - patch) // stride + 1)
        width = architecture.width
        self.dims = (width, width, architecture.embed_dim)
        self.map_channels = (width,)
        self.net = VisionTransformer(
            image_size=(
                self.grid[0] * patch,
                self.grid[1] * patch,
            ),  # sets the number of positions, nothing else
            patch_size=patch,
            width=width,
            layers=architecture.layers[0],
            heads=architecture.heads,
            mlp_ratio=(architecture.hidden + 0.5) / width,  # rounded down there
            output_dim=architecture.embed_dim,
            act_layer=ACTIVATIONS[architecture.activation],
        )
        self.net.conv1.stride = (stride, stride)
        self.camera_scale = 0.0
        self.camera_embedding: nn.Parameter | None = None

    def add_camera_embedding(self, cameras: int, scale: float, generator: torch.Generator) -> None:
        """Gives the tower a camera embedding (SIE) [cameras, C], N(0, 0.02) cut at 2, to be used times `scale`."""
        width = self.architecture.width
        fresh = nn.init.trunc_normal_(torch.empty(cameras, width), std=0.02, generator=generator)
        self.camera_embedding = nn.Parameter(fresh.to(self.net.class_embedding.device))
        self.camera_scale = scale

    @torch.no_grad()
    def average_cameras(self, trained: Tensor) -> None:
        """Gives each camera that is not among `trained`, int64 of any length, the mean embedding (SIE) of those that are.

        Nothing changes where all were trained, and without embeddings. Departs: CLIP-ReID leaves a camera of test
        pictures alone what was drawn for it, which moves their descriptors at random.
        """
        table = self.camera_embedding
        if table is not None:
            known = torch.zeros(len(table), dtype=torch.bool, device=table.device)
            known[trained.to(table.device)] = True
            table[~known] = table[known].mean(dim=0)

    def overlapping_patches(self, grid: tuple[int, ...]) -> tuple[int, int] | None:
        """Size and stride in pixels of the patches behind the cells of `grid`, where they overlap; else None."""
        return (self.patch, self.stride) if self.stride != self.patch and grid == self.grid else None

    def forward(self, image: Tensor, camera: Tensor | None = None) -> Features:
        """Features of normalised image [B, 3, H, W]; camera int64 [B] or None, as in stage 1."""
        before = self.before_last_block(image, camera)
        after = self.net.transformer.resblocks[-1](before)
        feat = self.net.ln_post(after[:, 0])
        cells = after[:, 1:]
        return Features(
            last=before[:, 0],
            feat=feat,
            proj=feat @ self.net.proj,
            maps=(self._on_grid(cells),),
            make_tokens=lambda: self._on_grid(self.net.ln_post(cells) @ self.net.proj),
            shared=before,
        )

    def embed(self, image: Tensor, camera: Tensor | None = None) -> Tensor:
        """[B, C + D]: CLIP-ReID's descriptor, feat and proj before the necks, not normalised."""
        before = self.before_last_block(image, camera)
        first = torch.zeros(before.shape[0], dtype=torch.long, device=before.device)
        feat = self.net.ln_post(block_output_at(self.net.transformer.resblocks[-1], before, first))
        return torch.cat([feat, feat @ self.net.proj], dim=1)

    def descriptor(self, features: Features) -> Tensor:
        """Returns what `embed` does up to rounding, from the features of the same pictures."""
        return features.both

    def before_last_block(self, image: Tensor, camera: Tensor | None) -> Tensor:
        """[B, 1 + h*w, C] before the last block."""
        tokens = self.first_tokens(image, camera)
        for block in self.net.transformer.resblocks[:-1]:
            tokens = block(tokens)
        return tokens

    def first_tokens(self, image: Tensor, camera: Tensor | None) -> Tensor:
        """[B, 1 + h*w, C] that the first block reads. The camera is added to the class token only."""
        patches = self.net.conv1(image).flatten(2).transpose(1, 2)
        token = self.net.class_embedding.to(patches.dtype).expand(patches.shape[0], 1, -1)
        if self.camera_embedding is not None and camera is not None:
            token = token + self.camera_scale * self.camera_embedding[camera].unsqueeze(1).to(patches.dtype)
        tokens = torch.cat([token, patches], dim=1) + self.net.positional_embedding.to(patches.dtype)
        return self.net.ln_pre(tokens)

    def _on_grid(self, cells: Tensor) -> Tensor:
        return cells.transpose(1, 2).unflatten(2, self.grid)
