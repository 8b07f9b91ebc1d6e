"""A CLIP: an image tower, a text tower, their vocabulary and the temperature they were trained at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from pivl.errors import UserError
from pivl.towers.architecture import ClipArchitecture, VisionArchitecture
from pivl.towers.resnet import ResNetTower
from pivl.towers.text import TextTower
from pivl.towers.vit import VisionTower
from pivl.towers.vocabulary import Vocabulary

ImageTower = ResNetTower | VisionTower

INITIAL_LOGIT_SCALE = 2.6592600369327783  # log(1 / 0.07), CLIP's value at the start of its training


@dataclass(frozen=True)
class Clip:
    """Both towers of a CLIP; `logit_scale` is the logarithm of the inverse temperature, as CLIP stores it."""

    vision: ImageTower
    text: TextTower
    vocabulary: Vocabulary
    logit_scale: float = INITIAL_LOGIT_SCALE

    @property
    def architecture(self) -> ClipArchitecture:
        """The shapes of both towers."""
        return ClipArchitecture(self.vision.architecture, self.text.architecture)


@dataclass(frozen=True)
class ImageInput:
    """The input of an image tower: a choice of the recipe, not of the checkpoint.

    image_size (height, width) in pixels; `stride` between patches, ViT only (None: the patch itself).
    """

    image_size: tuple[int, int]
    stride: int | None = None


def build_vision(architecture: VisionArchitecture, image_input: ImageInput) -> ImageTower:
    """Returns an image tower with random weights; raises UserError for a ResNet that is asked for a patch stride."""
    if architecture.kind == "vit":
        return VisionTower(architecture, image_input.image_size, image_input.stride)
    if image_input.stride is not None:
        raise UserError("a ResNet has no patch stride; leave it out, or choose a ViT backbone")
    return ResNetTower(architecture, image_input.image_size)


def build_clip(
    architecture: ClipArchitecture,
    image_input: ImageInput,
    vocabulary: Vocabulary,
    generator: torch.Generator,
) -> Clip:
    """Returns a CLIP with random weights that depend on `generator` alone.

    Raises ValueError for a vocabulary of another size than the text tower's.
    """
    if len(vocabulary) != architecture.text.vocabulary:
        raise ValueError(f"{len(vocabulary)} words for a text tower of {architecture.text.vocabulary}")
    with drawing_from(generator):
        vision = build_vision(architecture.vision, image_input)
        text = TextTower(architecture.text)
    return Clip(vision, text, vocabulary)


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let initialisers, which draw from torch's global CPU generator, follow `generator` inside."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
