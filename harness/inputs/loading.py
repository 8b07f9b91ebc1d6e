"""Loads a data set by its inputs: rendered or read from disk, with decoded images and part maps."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save
from torch import Tensor

from harness.display.progress import Progress
from harness.inputs import student_weights
from harness.inputs.backbones import find_backbone
from harness.inputs.spec import Inputs, Size, find_config
from harness.inputs.weights import find_weights
from pivl.data.datasets import catalog
from pivl.data.pictures import Split
from pivl.errors import UserError
from pivl.parsers.map_sources import put_maps
from pivl.synthped import benchmark
from pivl.system.random_streams import torch_stream
from pivl.towers.architecture import ClipArchitecture, VisionArchitecture
from pivl.towers.clip import Clip, ImageInput
from pivl.towers.clip_catalog import named_clips
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import build_student
from pivl.towers.student_weights import read_student
from pivl.towers.weights import clip_from_state, download_clip, read_architecture

if TYPE_CHECKING:
    from pivl.data.pictures import Split


def load_whole(inputs: Inputs, size: Size, progress: Progress | None, confidence: bool) -> Split:
    """Every picture, those of the test people too; see harness.inputs.loading.load."""
    doing = "rendering into the cache, once" if inputs.is_embedded else "decoding into the cache, once"
    report = progress.count(f"{inputs.called}{inputs.in_world}", doing) if progress else None
    try:
        if inputs.is_embedded:
            split = benchmark.load(find_config(inputs.dataset, inputs.world), size, report)
            if inputs.part_maps is None:
                return split
            parsing = progress.count(inputs.part_maps, "making part maps, once") if progress else None
            return put_maps(split, inputs.part_maps, parsing)
        root, maps = (None if path is None else Path(path) for path in (inputs.data_root, inputs.part_maps))
        return catalog.load(
            inputs.dataset, root, size, maps, inputs.allow_partial, report, confidence, inputs.labels
        )
    finally:
        if progress:
            progress.close()


def load_start(inputs: Inputs, image_size: tuple[int, int], patch_stride: int) -> Clip:
    """The CLIP for pictures of `image_size`; patches of a ViT `patch_stride` apart, 0 for the patch itself.

    Raises UserError, one line, for weights that cannot be read or are of another backbone.
    """
    base = find_backbone(inputs.backbone)
    image_input = ImageInput(image_size, patch_stride or None if base.kind == "vit" else None)
    named = None if base.clip is None else named_clips()[base.clip]
    path = find_weights(inputs)
    if path is None:
        assert named is not None
        return download_clip(named, image_input)
    state, metadata = read_state(path)
    check_backbone(inputs.backbone, read_architecture(state, metadata, str(path)), str(path))
    architecture = None if named is None else named.architecture
    return clip_from_state(state, metadata, str(path), image_input, architecture)


def load_student_start(inputs: Inputs, student: str, image_size: tuple[int, int]) -> dict[str, Tensor] | None:
    """The tensors that `student` starts from, None for random ones; UserError, one line, for what does not fit it."""
    path = student_weights.find_weights(inputs, student)
    tower = build_student(student, image_size, 1, torch_stream(0, "shapes"))
    return None if path is None else read_student(path, tower, student)


def check_backbone(backbone: str, found: ClipArchitecture, source: str) -> None:
    """Raises UserError if weights from `source` are not those of `backbone`."""
    base = find_backbone(backbone)
    if base.clip is not None:
        wanted = named_clips()[base.clip].architecture
        if not found.looks_like(wanted):
            raise UserError(
                f"{source} holds {describe(found.vision)}, but --backbone {backbone} is {describe(wanted.vision)}; "
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
    """The SHA-256 over the tensors of OpenAI's CLIP for this backbone, positions at 224 x 224."""
    clip = load_start(inputs, (224, 224), 0)
    towers = {"visual": clip.vision, "text": clip.text}
    state = {
        f"{name}.{key}": value.contiguous()
        for name, tower in towers.items()
        for key, value in sorted(tower.state_dict().items())
    }
    return hashlib.sha256(save(state)).hexdigest()


def load(inputs: Inputs, size: Size, progress: Progress | None = None, confidence: bool = False) -> "Split":
    """Loads the data set at `size`; renders or decodes it into the user's cache if it is not there yet.

    `confidence`: with that of its part maps, which only pictures on disk have. Where people are held out, the split
    has no test pictures any more.
    """
    from pivl.data.holdout import hold_out, seal

    split = load_whole(inputs, size, progress, confidence)
    return split if inputs.held_out is None else hold_out(seal(split), inputs.held_out)
