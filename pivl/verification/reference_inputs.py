"""The inputs that reference figures were computed from, drawn again from their names (shared/reference/README.md)."""

import zlib
from dataclasses import dataclass
from math import log, prod, sqrt
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.towers.clip import Clip, ImageInput
from pivl.towers.vocabulary import Vocabulary
from pivl.towers.weights import clip_from_state
from pivl.verification.reference_file import ONE_ROUNDING, Figures, brief

IDENTITY_TOKENS = 4
NUMBERS = 2**31  # weights and pixels that a file may ask for, three times those of OpenAI's largest
BLOCKS = 2**9  # of both towers
CELLS = 2**13  # of the grid of a picture, which attention squares


def nudged(
    values: NDArray[np.float32], nudge: int, roundings: float = 1, name: str = ""
) -> NDArray[np.float32]:
    """The values, each moved by about so many roundings of a float32; a `nudge` of 0 moves nothing, others differ.

    Tensors of another `name` move independently.
    """
    if not nudge:
        return values
    moves = draw(f"nudge {nudge} {name}".rstrip(), values.shape, 0)
    return values + values * np.float32(roundings * ONE_ROUNDING) * moves


@dataclass(frozen=True)
class Drawing:
    """A CLIP, pictures and people of the reference, as sizes and a seed; every method draws afresh.

    vision_layers: blocks of the four ResNet stages, or one number. resolution: pixels of the square that positions
    were made for. labels: the person of each picture.
    """

    backbone: Literal["resnet", "vit"]
    vision_layers: tuple[int, ...]
    vision_width: int
    patch: int
    resolution: int
    text_layers: int
    text_width: int
    context: int
    vocabulary: int
    embed_dim: int
    image_size: tuple[int, int]
    labels: tuple[int, ...]
    identities: int
    seed: int
    nudge: int

    @classmethod
    def read(cls, figures: Figures, nudge: int = 0) -> "Drawing":
        """From the meta of a clip-reid file; UserError where it describes none.

        Weights, images and identity tokens are moved by `nudge`, see `nudged`: a rounding in every layer, as another
        order of its sums would bring.
        """
        backbone, size = figures.meta.get("backbone"), figures.wholes("image_size")
        labels, identities = figures.wholes("labels", 0), figures.whole("identities", 2)
        if backbone not in ("resnet", "vit"):
            raise figures.unfit(f"backbone is {brief(backbone)}, neither resnet nor vit")
        if len(size) != 2:
            raise figures.unfit(f"image_size is {list(size)}, not height and width")
        if len(labels) != figures.whole("batch") or not 1 < len(set(labels)) <= max(labels) + 1 <= identities:
            raise figures.unfit(
                f"labels do not name {figures.whole('batch')} pictures of 2 to {identities} people"
            )
        vit = backbone == "vit"
        layers = (figures.whole("vision_layers"),) if vit else figures.wholes("vision_layers")
        if not vit and len(layers) != 4:
            raise figures.unfit(f"vision_layers is {list(layers)}, not those of four stages")
        if figures.whole("vocab_size") != Vocabulary.FULL_SIZE:
            raise figures.unfit(
                f"vocab_size is {figures.whole('vocab_size')}, not CLIP's {Vocabulary.FULL_SIZE}"
            )
        drawing = cls(
            backbone,
            layers,
            figures.whole("vision_width", 2 if not vit else 1),
            figures.whole("patch") if vit else 32,
            figures.whole("native_resolution", 32),
            figures.whole("text_layers"),
            figures.whole("text_width"),
            figures.whole("context_length", 12),
            Vocabulary.FULL_SIZE,
            figures.whole("embed_dim"),
            (size[0], size[1]),
            labels,
            identities,
            figures.whole("seed", 0, 2**32),
            nudge,
        )
        drawing._check_size(figures)
        return drawing

    def _check_size(self, figures: Figures) -> None:
        """Raise UserError for more numbers or cells than any CLIP has, before memory is taken for them."""
        height, width = self.image_size
        side = 16 if self.backbone == "resnet" else self.patch
        blocks = sum(self.vision_layers) + self.text_layers
        images, tokens = (
            3 * len(self.labels) * height * width,
            self.identities * self.context * self.text_width,
        )
        if blocks > BLOCKS or (height // side) * (width // side) > CELLS:
            raise figures.unfit(
                f"it describes {blocks} blocks on pictures of {height}x{width}, more than any CLIP's"
            )
        numbers = images + tokens + sum(prod(shape) for shape in clip_shapes(self).values())
        if numbers > NUMBERS:
            raise figures.unfit(
                f"it describes a CLIP and pictures of {numbers:.1e} numbers, more than any has"
            )

    def clip(self, source: str) -> Clip:
        """The CLIP at `image_size`, built and filled by the project's own code; errors (UserError) call it `source`."""
        state = {key: self._weight(key, shape) for key, shape in clip_shapes(self).items()}
        return clip_from_state(state, {}, source, ImageInput(self.image_size))

    def images(self) -> Tensor:
        """[B, 3, H, W], taken as already normalised."""
        return self._nudged(draw("images", (len(self.labels), 3, *self.image_size), self.seed))

    def person(self) -> Tensor:
        """int64 [B]: the person of each picture."""
        return torch.tensor(self.labels)

    def identity_tokens(self) -> Tensor:
        """[identities, 4, W]: the learnable tokens before stage 1."""
        shape = (self.identities, IDENTITY_TOKENS, self.text_width)
        return self._nudged(0.02 * draw("cls_ctx", shape, self.seed))

    def classifier(self, name: str, width: int) -> Tensor:
        """[identities, width]: the weight of the classifier called `name`."""
        return torch.from_numpy(0.001 * draw(f"{name}.weight", (self.identities, width), self.seed))

    def _weight(self, key: str, shape: tuple[int, ...]) -> Tensor:
        weight = clip_weight(key, shape, self.seed)
        return self._nudged(weight.numpy(), key) if shape else weight

    def _nudged(self, values: NDArray[np.float32], name: str = "") -> Tensor:
        return torch.from_numpy(nudged(values, self.nudge, name=name))


def draw(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Returns a standard normal tensor that depends on its name and seed alone."""
    stream = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    return stream.standard_normal(size=shape).astype(np.float32)


def clip_weight(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Returns a tensor of the reference CLIP's state dict, by the rules of reference/README.md."""
    last = key.rpartition(".")[2]
    if last == "num_batches_tracked":
        return torch.tensor(0)
    if key == "logit_scale":
        return torch.tensor(log(1 / 0.07))
    z = torch.from_numpy(draw(key, shape, seed))
    if last == "running_var":
        return 0.5 + z.abs()
    if last == "running_mean":
        return 0.1 * z
    if len(shape) >= 2 and "embedding" not in key:
        return z / sqrt(prod(shape[1:]) if "weight" in last or len(shape) > 2 else shape[0])
    if "embedding" in key:
        return 0.05 * z
    return 1 + 0.1 * z if last == "weight" else 0.1 * z


def clip_shapes(drawing: "Drawing") -> dict[str, tuple[int, ...]]:
    """Names and shapes of OpenAI's state dict at its native resolution."""
    width, text, embed = drawing.vision_width, drawing.text_width, drawing.embed_dim
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (drawing.vocabulary, text),
        "positional_embedding": (drawing.context, text),
        "text_projection": (text, embed),
        "logit_scale": (),
        **_norm("ln_final", text),
        **_transformer("transformer", text, drawing.text_layers),
    }
    side = drawing.resolution // drawing.patch
    if drawing.backbone == "vit":
        return shapes | {
            "visual.class_embedding": (width,),
            "visual.positional_embedding": (side**2 + 1, width),
            "visual.proj": (width, embed),
            "visual.conv1.weight": (width, 3, drawing.patch, drawing.patch),
            **_norm("visual.ln_pre", width),
            **_norm("visual.ln_post", width),
            **_transformer("visual.transformer", width, drawing.vision_layers[0]),
        }
    shapes["visual.attnpool.positional_embedding"] = (side**2 + 1, width * 32)
    for name, outputs in (("k", width * 32), ("q", width * 32), ("v", width * 32), ("c", embed)):
        shapes |= _linear(f"visual.attnpool.{name}_proj", width * 32, outputs)
    for number, (inputs, outputs) in enumerate(
        [(3, width // 2), (width // 2, width // 2), (width // 2, width)], 1
    ):
        shapes |= {
            f"visual.conv{number}.weight": (outputs, inputs, 3, 3),
            **_batch_norm(f"visual.bn{number}", outputs),
        }
    inputs = width
    for stage, blocks in enumerate(drawing.vision_layers):
        for block in range(blocks):
            shapes |= _bottleneck(f"visual.layer{stage + 1}.{block}", inputs, width * 2**stage, block == 0)
            inputs = 4 * width * 2**stage
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _batch_norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    running = {
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }
    return {**_norm(name, width), **running}


def _bottleneck(name: str, inputs: int, planes: int, first: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.conv1.weight": (planes, inputs, 1, 1),
        f"{name}.conv2.weight": (planes, planes, 3, 3),
        f"{name}.conv3.weight": (4 * planes, planes, 1, 1),
        **_batch_norm(f"{name}.bn1", planes),
        **_batch_norm(f"{name}.bn2", planes),
        **_batch_norm(f"{name}.bn3", 4 * planes),
    }
    if first:
        shapes[f"{name}.downsample.0.weight"] = (4 * planes, inputs, 1, 1)
        shapes |= _batch_norm(f"{name}.downsample.1", 4 * planes)
    return shapes


def _transformer(name: str, width: int, layers: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for block in (f"{name}.resblocks.{number}" for number in range(layers)):
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            **_linear(f"{block}.attn.out_proj", width, width),
            **_norm(f"{block}.ln_1", width),
            **_norm(f"{block}.ln_2", width),
            **_linear(f"{block}.mlp.c_fc", width, 4 * width),
            **_linear(f"{block}.mlp.c_proj", 4 * width, width),
        }
    return shapes
