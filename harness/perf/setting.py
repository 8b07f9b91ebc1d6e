"""The setting of a benchmark: device, precision, backbone, and drawn images and CLIPs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from harness.inputs.backbones import choose_backbone, find_backbone
from harness.system.devices import suitable_precision
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures
from pivl.errors import UserError
from pivl.recipe import Recipe
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.clip import Clip, ImageInput, build_clip
from pivl.towers.clip_catalog import named_clips
from pivl.towers.vocabulary import Vocabulary
from pivl.towers.weights import load_clip
from studies.ablation import pi_vl


@dataclass(frozen=True)
class Setting:
    """`backbone`: the CLIP of the paper-size figures. `quick`: the smallest sizes that still tell something."""

    device: torch.device
    precision: str
    backbone: str
    quick: bool
    results: Path

    @property
    def repeats(self) -> int:
        """Rounds of a comparison."""
        return 1 if self.quick else 3

    @property
    def large(self) -> Recipe:
        """PI-VL at the paper's size."""
        changes: Mapping[str, Any] = {**pi_vl, "precision": self.precision}
        return replace(find_backbone(self.backbone).recipes["paper"], **changes)

    @property
    def embedded(self) -> Recipe:
        """PI-VL on the embedded benchmark."""
        changes: Mapping[str, Any] = {**pi_vl, "precision": suitable_precision(self.device.type)}
        return replace(EMBEDDED, **changes)

    def large_clip(self) -> Clip:
        """A CLIP of the backbone's shapes with random weights: how long it takes does not depend on them."""
        recipe = self.large
        named = named_clips()[find_backbone(self.backbone).clip or ""]
        stride = recipe.patch_stride or None if named.architecture.vision.kind == "vit" else None
        image_input = ImageInput(recipe.image_size, stride)
        generator = torch.Generator().manual_seed(0)
        clip = build_clip(named.architecture, image_input, Vocabulary(), generator)
        return self._here(clip)

    def embedded_clip(self) -> Clip:
        """The CLIP that comes with the package."""
        return self._here(load_clip(CLIP_WEIGHTS[EMBEDDED.backbone], ImageInput(EMBEDDED.image_size)))

    def _here(self, clip: Clip) -> Clip:
        clip.vision.to(self.device).eval().requires_grad_(False)
        clip.text.to(self.device).eval().requires_grad_(False)
        return clip


def choose_paper_size(name: str) -> str:
    """A backbone of CLIP's sizes in any spelling; UserError for the tiny one, which is measured anyhow."""
    backbone = choose_backbone(name)
    if find_backbone(backbone).clip is None:
        raise UserError(f"--backbone {backbone}: has no size of its own; name a CLIP, as rn50 or vit-b-16")
    return backbone


def draw_pictures(people: int, each: int, size: tuple[int, int], parts: int = len(LIP.parts)) -> Pictures:
    """Pictures of noise with stripes as part maps: as much work as any others."""
    count = people * each
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=generator)
    row = torch.arange(size[0]) * parts // size[0]
    part_map = row.to(torch.uint8)[None, :, None].expand(count, *size).contiguous()
    person = torch.arange(people).repeat_interleave(each)
    return Pictures(image, person, torch.zeros_like(person), part_map, ("",) * count)
