"""A CLIP without training on people: OpenAI's or open_clip's image tower as it is, its own picture size and embedding."""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from pivl.data.normalization import CLIP
from pivl.deployment.loading import check_fit
from pivl.deployment.model import Deployed, Facts
from pivl.errors import UserError, first_line
from pivl.towers.architecture import VisionArchitecture
from pivl.towers.clip import ImageInput, build_vision
from pivl.towers.weights import FAULTS, POSITIONS, infer_vision

VISUAL = "visual."
RESNET_CELL = 32  # pixels per cell of CLIP's own ResNet
EMBEDDING = "clip-embedding"


def is_clip(state: Mapping[str, Tensor]) -> bool:
    """Returns whether names are OpenAI's, with or without a text tower."""
    return any(name in state for name in POSITIONS.values())


def load_clip_image(state: Mapping[str, Tensor], path: Path, image_size: tuple[int, int] | None) -> Deployed:
    """Returns the image tower. Raises UserError, one line, for tensors that do not fit, and for another size."""
    if image_size is not None:
        raise UserError(
            f"{path}: a CLIP without training has an image size of its own; leave the image size out"
        )
    try:
        vision = infer_vision(dict(state))
        side = isqrt(len(state[POSITIONS[vision.kind]]) - 1)
        pixels = side * (vision.patch or RESNET_CELL)
        if not 0 < pixels <= 2**12 or sum(vision.layers) > len(state):
            raise ValueError(f"no image is of {pixels} x {pixels}")
        with torch.device("meta"):
            expected = _build(vision, pixels).state_dict()
    except FAULTS as error:
        raise UserError(f"{path}: its image tower cannot be made out ({first_line(error):.120})") from error
    own = {name.removeprefix(VISUAL): value for name, value in state.items() if name.startswith(VISUAL)}
    counters = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    own = {**{name: torch.zeros(()) for name in counters}, **own}
    check_fit(expected, own, path)
    net = _build(vision, pixels)
    net.load_state_dict(own)
    facts = Facts((pixels, pixels), CLIP, EMBEDDING, f"CLIP's {vision.kind} without training")
    return Deployed(net, lambda images, cameras: net(images), facts)


def _build(vision: VisionArchitecture, pixels: int) -> nn.Module:
    """Returns open_clip's own network, whose output is the image embedding."""
    if vision.kind == "vit":
        return build_vision(vision, ImageInput((pixels, pixels))).net
    return ModifiedResNet(
        list(vision.layers), vision.embed_dim, vision.heads, image_size=pixels, width=vision.width
    )
