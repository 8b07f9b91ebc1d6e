"""Exports a model: written beside its place, run by the reader of its form, held to torch on pictures, then put there.

A sidecar of the same name in .json says what the file is, how pictures must be prepared, and its SHA-256; for safetensors
it is also the model.json by which pivl.load reads the file.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.deployment.card import NAME, ModelCard, read_card
from pivl.deployment.exports.network import INPUT, OUTPUT, Exported
from pivl.deployment.foreign.clip_reid import write_state
from pivl.deployment.former import RECORD, read_former
from pivl.deployment.loading import TOWER, WEIGHTS, load
from pivl.deployment.model import Deployed
from pivl.errors import UserError
from pivl.system.files import sha256_of
from pivl.system.json_files import read_json
from pivl.system.outputs import write_output
from pivl.towers.file_formats.weights_file import read_state

Form = Literal["onnx", "torchscript", "safetensors", "clip-reid"]
FORMS: tuple[Form, ...] = get_args(Form)
SUFFIXES: dict[Form, tuple[str, ...]] = {
    "onnx": (".onnx",), "torchscript": (".torchscript", ".pt", ".ts"), "safetensors": (".safetensors",),
    "clip-reid": (".pth", ".pt"),
}  # fmt: skip
TOLERANCE = 1e-4  # of each number of a descriptor of length 1
OPSET = 18


@dataclass(frozen=True)
class Choices:
    """raw: the file takes RGB of 0..1 and normalises itself. l2: its descriptors have length 1."""

    form: Form
    raw: bool = True
    l2: bool = False
    opset: int = OPSET


Run = Callable[[Tensor], Tensor]


def export_model(
    run: Path,
    output: Path,
    choices: Choices,
    pictures: Tensor,
    say: Callable[[str], object] = lambda step: None,
) -> dict[str, Any]:
    """Writes the model of a run's folder as `output`, with its sidecar, which is returned.

    pictures: uint8 [N, 3, H, W] at the model's size, on which the file is held to torch. say: is called with each step
    as it begins; a step may take a minute. Raises UserError, with nothing written, where they differ by more than
    TOLERANCE, where the form cannot hold the model, or where the sidecar is another file's.
    """
    if output.suffix not in SUFFIXES[choices.form]:
        raise UserError(f"{output}: {choices.form} files end in {' or '.join(SUFFIXES[choices.form])}")
    _check_beside(output)
    network = Exported(load(run), choices.raw, choices.l2).eval()
    facts = network.model.facts
    images = pictures.float() / 255 if choices.raw else facts.normalization.normalize(pictures)
    differences: list[float] = []

    def write(path: Path) -> None:
        say(f"writing it as {choices.form}")
        read = _write(run, network, path, choices, images)
        say(f"running the file on {len(images)} images, and comparing with torch")
        differences.append(compare(network, read, images))
        if differences[-1] > TOLERANCE:
            raise UserError(
                f"{output}: differs from torch by {differences[-1]:.2g} on {len(images)} images, more than "
                f"{TOLERANCE:g}; nothing was written"
            )

    write_output(output, write)
    described = _describe(run, network, output, choices, differences[-1], len(images))
    text = json.dumps(described, indent=2) + "\n"
    write_output(output.with_suffix(".json"), lambda path: path.write_text(text, encoding="utf-8"))
    return described


def _check_beside(output: Path) -> None:
    """Raises UserError where the sidecar of `output` would be written over that of another file."""
    beside = output.with_suffix(".json")
    found = read_json(beside, "name another output") if beside.exists() else {}
    other = found.get("file", output.name) if isinstance(found, dict) else "something else"
    if other != output.name:
        raise UserError(f"{beside} describes {other}; name another output, of which {beside.name} is free")


@torch.no_grad()
def compare(network: Exported, read: Run, images: Tensor) -> float:
    """Returns the largest difference of descriptors at length 1, over batches of one, two and all images."""
    largest = 0.0
    for some in (images[:1], images[1:3], images):
        ours, theirs = (F.normalize(of.float(), dim=1) for of in (network(some), read(some)))
        largest = max(largest, float((ours - theirs).abs().max()))
    return largest


def _write(run: Path, network: Exported, path: Path, choices: Choices, images: Tensor) -> Run:
    """Writes the file, and returns what reads it as its user would."""
    match choices.form:
        case "onnx":
            from pivl.deployment.exports.onnx_file import read_onnx, write_onnx

            write_onnx(network, path, images[:2], choices.opset)
            return read_onnx(path)
        case "torchscript":
            return _write_torchscript(network, path, images[:2])
        case "safetensors":
            return _write_safetensors(run, network, path)
    return _write_clip_reid(run, network, path)


@torch.no_grad()
def _write_torchscript(network: Exported, path: Path, images: Tensor) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are newer ways: who asks for this one has a reader of it
        traced = torch.jit.trace(network, (images,), check_trace=False)
        torch.jit.save(traced, str(path))
        found: Run = torch.jit.load(str(path))
    return found


def _state_of(run: Path) -> dict[str, Tensor]:
    return read_state(run / WEIGHTS if run.is_dir() else run)[0]


def _card_of(run: Path) -> ModelCard:
    if not run.is_dir():
        return read_card(run.with_suffix(".json"))
    return read_card(run / NAME) if (run / NAME).exists() else read_former(run / RECORD, _state_of(run))


def _write_safetensors(run: Path, network: Exported, path: Path) -> Run:
    """The deployed tower alone, under the names that pivl.load reads; a sidecar is its model.json."""
    from safetensors.torch import save

    tower = {name: value for name, value in _state_of(run).items() if name.startswith(TOWER)}
    path.write_bytes(save(tower))
    beside = path.with_suffix(".json")
    _card_of(run).write(beside)
    try:
        return Exported(load(path), network.raw, network.l2).eval()
    finally:
        beside.unlink()


def _write_clip_reid(run: Path, network: Exported, path: Path) -> Run:
    """CLIP-ReID's own checkpoint: its image encoder, necks and classifiers, without prompts and text encoder."""
    from pivl.deployment.foreign.checkpoint import load_checkpoint

    card = _card_of(run)
    if card.to_json()["architecture"]["kind"] == "student":
        raise UserError(
            f"{run}: a student is no tower of CLIP-ReID's; export it as onnx, torchscript or safetensors"
        )
    state = _state_of(run)
    tower = {name.removeprefix(TOWER): value for name, value in state.items() if name.startswith(TOWER)}
    rest = {name: value for name, value in state.items() if not name.startswith(TOWER)}
    torch.save(write_state(tower, rest), path)
    read = load_checkpoint(path, card.image_size)
    facts = replace(
        read.facts, normalization=network.model.facts.normalization
    )  # CLIP-ReID's kind may have another
    return Exported(Deployed(read.network, read.describe, facts), network.raw, network.l2).eval()


def _describe(
    run: Path, network: Exported, output: Path, choices: Choices, difference: float, pictures: int
) -> dict[str, Any]:
    facts = network.model.facts
    height, width = facts.image_size
    normalised = "within" if choices.raw else "before: (image - mean) / std"
    return {
        **_card_of(run).to_json(),
        "file": output.name,
        "sha256": sha256_of(output),
        "bytes": output.stat().st_size,
        "exported_as": choices.form,
        "opset": choices.opset if choices.form == "onnx" else None,
        "input": {
            "name": INPUT,
            "shape": ["batch", 3, height, width],
            "channels": "RGB",
            "range": "0..1" if choices.raw else "normalised",
            "normalisation": normalised
            if choices.form in ("onnx", "torchscript")
            else "before: (image - mean) / std",
            "resize": "bilinear, with antialiasing as Pillow's",
        },
        "output": {"name": OUTPUT, "length_1": choices.l2 and choices.form in ("onnx", "torchscript")},
        "cameras_in_use": "the mean of their embeddings" if facts.cameras else None,
        "checked": {
            "against": f"torch {torch.__version__}",
            "pictures": pictures,
            "largest_difference": difference,
        },
    }
