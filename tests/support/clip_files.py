"""Weights files as OpenAI's, of CLIPs that are tiny and random but know every word."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import ImageInput, build_clip
from pivl.towers.vocabulary import Vocabulary

SQUARE = (64, 64)  # OpenAI's positions are those of a square
TINY_RESNET = VisionArchitecture("resnet", (1, 1, 1, 1), 8, 4, 32)
State = dict[str, Tensor]
TINY_VIT = VisionArchitecture("vit", (2,), 64, 1, 32, 8)


def write_weights(path: Path, vision: VisionArchitecture) -> Path:
    """A state dict with OpenAI's names and shapes, by torch.save; the path."""
    architecture = ClipArchitecture(vision, TextArchitecture(2, 64, 1, vision.embed_dim))
    clip = build_clip(architecture, ImageInput(SQUARE), Vocabulary(None), torch.Generator().manual_seed(0))
    state = {f"visual.{name}": value for name, value in clip.vision.net.state_dict().items()}
    state |= clip.text.net.state_dict() | {"logit_scale": torch.tensor(clip.logit_scale)}
    torch.save(state, path)
    return path


class Folder(nn.Module):
    """A module that only holds tensors under their dotted names, to be scripted."""

    def forward(self) -> int:
        return 0


def save_torchscript(state: State, path: Path) -> None:
    root = Folder()
    for name, value in state.items():
        *folders, last = name.split(".")
        place: nn.Module = root
        for folder in folders:
            if folder not in dict(place.named_children()):
                place.add_module(folder, Folder())
            place = place.get_submodule(folder)
        place.register_buffer(last, value)
    for number, name in enumerate(("input_resolution", "context_length", "vocab_size")):
        root.register_buffer(name, torch.tensor(number))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what OpenAI's files are written in
        torch.jit.save(torch.jit.script(root), path)
