"""The CLIP that runs start from, read or fetched, and held to the backbone that was named."""

import hashlib

from safetensors.torch import save

from harness.inputs import Inputs, find_weights
from pivl.errors import UserError
from pivl.towers.architecture import NAMED, ClipArchitecture, VisionArchitecture
from pivl.towers.checkpoint import read_state
from pivl.towers.clip import Clip, ImageInput
from pivl.towers.weights import clip_from_state, download_clip, read_architecture
from studies.bases import BASES


def load_start(inputs: Inputs, image_size: tuple[int, int], patch_stride: int) -> Clip:
    """The CLIP for pictures of `image_size`; patches of a ViT `patch_stride` apart, 0 for the patch itself.

    Raises UserError, one line, for weights that cannot be read or are of another backbone.
    """
    base = BASES[inputs.backbone]
    image_input = ImageInput(image_size, patch_stride or None if base.kind == "vit" else None)
    path = find_weights(inputs)
    if path is None:
        assert base.clip is not None
        return download_clip(base.clip, image_input)
    state, metadata = read_state(path)
    check_backbone(inputs.backbone, read_architecture(state, metadata, str(path)), str(path))
    return clip_from_state(state, metadata, str(path), image_input)


def check_backbone(backbone: str, found: ClipArchitecture, source: str) -> None:
    """Raise UserError if weights from `source` are not those of `backbone`."""
    base = BASES[backbone]
    if base.clip is not None and found != NAMED[base.clip]:
        wanted = describe(NAMED[base.clip].vision)
        raise UserError(
            f"{source} holds {describe(found.vision)}, but --backbone {backbone} is {wanted}; "
            f"name its weights, or --backbone {found.vision.kind} to take these as they are"
        )
    if found.vision.kind != base.kind:
        raise UserError(
            f"{source} holds {describe(found.vision)}, but --backbone {backbone} is a {base.kind}; "
            f"name --backbone {found.vision.kind}"
        )


def describe(vision: VisionArchitecture) -> str:
    """An image tower in words, e.g. `a resnet of 3-4-6-3 blocks, 64 wide, into 1024`."""
    blocks, patch = "-".join(map(str, vision.layers)), f", patches of {vision.patch}" if vision.patch else ""
    return f"a {vision.kind} of {blocks} blocks, {vision.width} wide{patch}, into {vision.embed_dim}"


def openai_digest(inputs: Inputs) -> str:
    """The SHA-256 over the tensors of OpenAI's CLIP for this backbone, at a size that leaves none to be resized."""
    clip = load_start(inputs, (224, 224), 0)
    towers = {"visual": clip.vision, "text": clip.text}
    state = {
        f"{name}.{key}": value.contiguous()
        for name, tower in towers.items()
        for key, value in sorted(tower.state_dict().items())
    }
    return hashlib.sha256(save(state)).hexdigest()
