"""Human parsers behind one function: SCHP's own checkpoints, and any scripted segmentation network."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.labels import LabelSet
from pivl.errors import UserError
from pivl.parsers.logits import check_logits, reason
from pivl.parsers.schp import read_network
from pivl.parsers.schp_extractor import BAND, TRAINED, Parsed, interpolation, parse_images, strongest
from pivl.system.files import check_regular, sha256_of
from pivl.towers.file_formats.torch_files import is_whole_script

NormalizationName = Literal["imagenet", "half", "clip"]


@dataclass(frozen=True)
class Parser:
    """A parser ready for use: `parse` takes RGB pictures, uint8 [H, W, 3] of any sizes, as one batch.

    facts: what meta.json says about it besides the label set.
    """

    labels: LabelSet
    facts: dict[str, Any]
    parse: Callable[[Sequence[Tensor]], list[Parsed]]


def schp(weights: Path, device: torch.device, mixed: bool, input_size: int | None = None) -> Parser:
    """SCHP with a checkpoint of its keys, whose number of classes says label set and, by default, input size.

    Raises UserError as read_network does, and for a number of classes that no label set has.
    """
    network = read_network(weights)
    if network.classes not in TRAINED:
        known = ", ".join(f"{count} ({labels.name})" for count, (labels, _) in TRAINED.items())
        raise UserError(f"{weights}: has {network.classes} classes; a checkpoint of {known} is wanted")
    labels, trained_size = TRAINED[network.classes]
    size = input_size or trained_size
    network = network.to(device)
    return Parser(
        labels,
        describe("schp", weights, (size, size), "BGR"),
        lambda images: parse_images(network, images, size, mixed, weights),
    )


def torchscript(
    weights: Path,
    labels: LabelSet,
    input_size: tuple[int, int],
    normalization: NormalizationName,
    device: torch.device,
    mixed: bool,
) -> Parser:
    """A scripted network, float32 [B, 3, H, W] (RGB) to logits [B, classes, h, w] or a tuple that begins with them.

    Its code runs, with all rights of whoever runs this: only for a file that is trusted. A picture is resized as in
    `parse_resized`. Raises UserError if the file is no TorchScript archive; `parse` does if the network's output is
    another.
    """
    network = _read_script(weights, device)
    wanted = f"of label set {labels.name}; name its label set with --labels"

    def run(batch: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.float16, enabled=mixed and device.type == "cuda"):
            logits = _run(network, batch.to(device), weights)
        return check_logits(logits, len(batch), len(labels.parts), weights, wanted)

    facts = describe("torchscript", weights, input_size, "RGB")
    return Parser(
        labels,
        {**facts, "normalization": normalization},
        lambda images: parse_resized(run, images, input_size, normalization),
    )


@torch.inference_mode()
def parse_resized(
    run: Callable[[Tensor], Tensor],
    images: Sequence[Tensor],
    input_size: tuple[int, int],
    normalization: NormalizationName,
) -> list[Parsed]:
    """Part maps by `run`, from a normalised batch float32 [B, 3, h, w] to logits.

    A picture, uint8 [H, W, 3], is resized to `input_size` (height, width), whatever its shape, and the logits go back
    the same way.
    """
    chosen = NORMALIZATIONS[normalization]
    mean, std = (torch.tensor(values)[:, None, None] for values in (chosen.mean, chosen.std))
    logits = run(torch.stack([(_resized(image, input_size) - mean) / std for image in images]))
    return [label_resized(some, image.shape[:2]) for some, image in zip(logits, images, strict=True)]


def describe(name: str, weights: Path, input_size: tuple[int, int], color_order: str) -> dict[str, Any]:
    """Returns what meta.json says of a parser."""
    return {
        "parser": name,
        "weights": weights.name,
        "weights_sha256": sha256_of(weights),
        "input_size": list(input_size),
        "color_order": color_order,
    }


def _read_script(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    check_regular(path, "network", "name a file written by torch.jit.save")
    try:
        if not is_whole_script(path):
            raise ValueError("cut, damaged or of another kind")
        with warnings.catch_warnings():
            # TorchScript is deprecated, yet what many parsers are given out as
            warnings.simplefilter("ignore")
            return torch.jit.load(path, map_location=device).eval()
    except Exception as error:  # of code that is not ours
        raise UserError(
            f"{path}: no TorchScript archive that loads ({reason(error)}); name a file written by torch.jit.save"
        ) from error


def _run(network: torch.jit.ScriptModule, batch: Tensor, path: Path) -> Any:
    """Returns the network's first output of a batch."""
    try:
        output = network(batch)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of code that is not ours
        raise UserError(
            f"{path}: the network fails on a batch of shape {tuple(batch.shape)} ({reason(error)}); "
            "is --input-size its own?"
        ) from error
    return output[0] if isinstance(output, tuple | list) and output else output


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [H, W, 3] to float32 [3, h, w] in [0, 1], bilinear, smoothed where it shrinks."""
    pixels = image.permute(2, 0, 1)[None].float() / 255
    return F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)[0]


def label_resized(logits: Tensor, size: torch.Size) -> Parsed:
    """Returns the part map of a picture of `size` from logits [C, h, w], bilinear between their centres."""
    rows, columns = (
        interpolation(_between_centres(length, cells), cells).to(logits)
        for length, cells in zip(size, logits.shape[1:], strict=True)
    )
    across = logits @ columns.T
    return strongest(some @ across for some in rows.split(BAND))


def _between_centres(length: int, cells: int) -> Tensor:
    """Returns where `length` pixels lie among `cells` that cover the same side; the border's repeat: float64 [length]."""
    positions = (torch.arange(length, dtype=torch.float64) + 0.5) * cells / length - 0.5
    return positions.clamp(0, cells - 1)
