"""CLIP-ReID's own checkpoints (.pth of its stage 2): image encoder, necks, classifiers, prompts and text encoder.

Image encoder and camera embedding (cv_embed) are all that a descriptor needs; stride and image size follow from the
number of positions. Its descriptor is the pooled feature beside its projection, before the necks (TEST.NECK_FEAT before).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from pivl.data.normalization import HALF, IMAGENET
from pivl.deployment.card import DESCRIPTOR, ModelCard
from pivl.deployment.loading import restore_tower
from pivl.deployment.model import Deployed, Facts
from pivl.errors import UserError, first_line
from pivl.towers.architecture import RESNET_STRIDE
from pivl.towers.weights import FAULTS, infer_vision

ENCODER, TEXT = "image_encoder.", ("prompt_learner.", "text_encoder.")
CAMERAS, CLASSIFIER = "cv_embed", "classifier.weight"
SIZES = (
    (256, 128),
    (384, 128),
    (256, 256),
    (224, 224),
    (128, 64),
)  # heights and widths that its configurations have
STRIDES = (16, 12)
CAMERA_SCALE = 1.0  # SIE_COE of its person configurations; no checkpoint has it


def is_clip_reid(state: Mapping[str, Tensor]) -> bool:
    """Returns whether names are those of CLIP-ReID's network."""
    return any(name.startswith(ENCODER) for name in state)


def load_clip_reid(state: Mapping[str, Tensor], path: Path, image_size: tuple[int, int] | None) -> Deployed:
    """Returns the model. Raises UserError, one line, for tensors that do not fit together."""
    encoder = {name.removeprefix(ENCODER): value for name, value in state.items() if name.startswith(ENCODER)}
    try:
        vision = infer_vision({f"visual.{name}": value for name, value in encoder.items()})
        positions = encoder[
            "positional_embedding" if vision.kind == "vit" else "attnpool.positional_embedding"
        ]
        size, stride = _find_size(len(positions) - 1, vision.patch, image_size)
        cameras = state[CAMERAS].shape[0] if CAMERAS in state and vision.kind == "vit" else 0
        classes = state[CLASSIFIER].shape[0] if CLASSIFIER in state else 0
    except FAULTS as error:
        raise UserError(
            f"{path}: its image encoder cannot be made out ({first_line(error):.120}); name --image-size, or get it again"
        ) from error
    normalization = HALF if vision.kind == "vit" else IMAGENET
    card = ModelCard(vision, size, normalization, stride, cameras, CAMERA_SCALE if cameras else 0.0)
    tensors = {f"tower.net.{name}": value for name, value in encoder.items()}
    tensors |= {"tower.camera_embedding": state[CAMERAS]} if cameras else {}
    tower = restore_tower(card, tensors, path)
    facts = Facts(
        size, normalization, DESCRIPTOR, f"CLIP-ReID's {vision.kind}", cameras,
        notes=tuple(_notes(state, stride, cameras, classes)),
    )  # fmt: skip
    return Deployed(tower, tower.embed, facts)


def _find_size(
    cells: int, patch: int | None, image_size: tuple[int, int] | None
) -> tuple[tuple[int, int], int]:
    """Image size and stride (0: a ResNet's) of so many cells. Raises ValueError where no size that is known has them."""
    sizes = SIZES if image_size is None else (image_size,)
    strides = (RESNET_STRIDE,) if patch is None else tuple(dict.fromkeys((patch, *STRIDES)))
    for height, width in sizes:
        for stride in strides:
            window = stride if patch is None else patch
            if ((height - window) // stride + 1) * ((width - window) // stride + 1) == cells:
                return (height, width), 0 if patch is None else stride
    said = ", ".join(f"{height}x{width}" for height, width in sizes)
    raise ValueError(
        f"{cells} positions are of no image of {said} at stride {' or '.join(map(str, strides))}"
    )


def _notes(state: Mapping[str, Tensor], stride: int, cameras: int, classes: int) -> Iterator[str]:
    if stride:
        yield f"stride {stride}"
    if cameras:
        yield f"{cameras} camera embeddings, times {CAMERA_SCALE:g}"
    if classes:
        yield f"{classes} training identities"
    if aside := sum(name.startswith(TEXT) for name in state):
        yield f"{aside} tensors of prompts and text encoder left aside"


def write_state(tower_state: Mapping[str, Tensor], rest: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns our tensors under CLIP-ReID's names: tower, necks and classifiers, with batch counters as it has them."""
    names = {"neck.": "bottleneck.", "neck_proj.": "bottleneck_proj.", "classifier": "classifier"}
    found = {f"{ENCODER}{name.removeprefix('net.')}": value for name, value in tower_state.items()}
    if "image_encoder.camera_embedding" in found:
        found[CAMERAS] = found.pop("image_encoder.camera_embedding")
    for name, value in rest.items():
        for ours, theirs in names.items():
            if name.startswith(ours):
                found[theirs + name.removeprefix(ours)] = value
    return {name: value.detach().cpu().clone().contiguous() for name, value in found.items()}
