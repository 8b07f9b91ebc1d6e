"""The figures of the original SCHP, computed again by the network and extractor of pivl.parsers (reference/README.md)."""

from collections.abc import Callable, Iterator
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

from pivl.parsers.schp import AugmentCE2P, empty_network, fill
from pivl.parsers.schp_extractor import label, to_input
from pivl.verification.reference_file import EXACT, Figures, Measure, Recomputed, text_sums
from pivl.verification.reference_inputs import draw

KEPT = 7  # every 7th row and column of the fused logits is in a file
PICTURES = ("0", "1")  # at least
CLASSES = 2**10
LONGEST = 2**11  # side of the square that the network sees
CERTAIN = 1e-2  # a smaller distance to the second logit says nothing about a different label
LOGITS = Measure(1e-3)


def is_input(key: str) -> bool:
    """Returns whether a key of a file is given, not computed: pictures, and how certain their labels are."""
    return key.startswith(("image", "margin"))


@torch.inference_mode()
def recompute(figures: Figures, progress: Callable[[str], None], nudge: int) -> Iterator[Recomputed]:
    """Keys and shapes of the state dict, then logits and labels of every picture; there is nothing to nudge.

    A label that the file is not certain of is taken as it stands there. UserError where meta or inputs are unfit.
    """
    classes, size = figures.whole("classes", 2, CLASSES), figures.whole("input_size", 2, LONGEST)
    pictures = read_pictures(figures)
    network = empty_network(classes)
    state = sorted(network.state_dict().items())
    yield Recomputed("state_dict_keys", text_sums([key for key, _ in state]), EXACT)
    yield Recomputed("state_dict_shapes", text_sums([str(tuple(value.shape)) for _, value in state]), EXACT)
    progress("drawing the weights")
    draw_network(network, figures.whole("seed", 0, 2**32))
    for number, image in pictures.items():
        progress(f"picture {number}")
        logits = network(to_input(image, size)[None])[0]
        yield Recomputed(f"logits_stride4_{number}", logits[:, ::KEPT, ::KEPT], LOGITS)
        part_map = label(logits, (image.shape[0], image.shape[1]), size).part_map
        margin = torch.from_numpy(figures.values[f"margin{number}"].astype(np.float32))
        theirs = figures.values.get(f"labels{number}", part_map.numpy())
        certain = torch.where(margin > CERTAIN, part_map, torch.from_numpy(theirs.astype(np.int64)))
        yield Recomputed(f"labels{number}", certain, EXACT)


def read_pictures(figures: Figures) -> dict[str, Tensor]:
    """The pictures of a file by the end of their key, uint8 [H, W, 3]; each has its margins, and labels if any fit."""
    pictures = {}
    found = (key.removeprefix("image").removeprefix("margin") for key in figures.values if is_input(key))
    for number in sorted({*PICTURES, *found}):
        key = f"image{number}"
        absent = [name for name in (key, f"margin{number}") if name not in figures.values]
        if absent:
            raise figures.unfit(f"it lacks {' and '.join(absent)}")
        image = figures.values[key]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise figures.unfit(f"{key} is {image.dtype} of shape {image.shape}, not an RGB picture of bytes")
        for other, kinds in ((f"labels{number}", "iu"), (f"margin{number}", "f")):
            values = figures.values.get(other)
            if values is not None and (values.shape != image.shape[:2] or values.dtype.kind not in kinds):
                raise figures.unfit(f"{other} does not go with {key}")
        pictures[number] = torch.from_numpy(image)
    return pictures


def draw_network(network: AugmentCE2P, seed: int) -> AugmentCE2P:
    """`network` with the weights of the reference."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return fill(network, {key: schp_weight(key, shape, seed) for key, shape in shapes.items()})


def schp_weight(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Returns a tensor of the reference network's state dict, by the rules of reference/README.md."""
    last = key.rpartition(".")[2]
    z = torch.from_numpy(draw(key, shape, seed))
    if last == "running_var":
        return 0.5 + z.abs()
    if last == "running_mean":
        return 0.1 * z
    if len(shape) >= 2:
        if key == "fushion.3.weight":
            z = z - z.mean(dim=1, keepdim=True)
        return z * sqrt(2 / prod(shape[1:]))
    return 0.6 + 0.5 * z if last == "weight" else 0.1 * z
