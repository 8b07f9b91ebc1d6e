"""Folders of pictures and small parsers for the tests of `pivl-bench parse`, and the command itself."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from harness.cli.main import main
from pivl.parsers.schp import empty_network

SIZE = (24, 12)
BRIGHT = 128  # grey values from here on are part 1 to the network below


class Threshold(nn.Module):
    """A scripted network of two parts of seven: certain of part 1 where a pixel's first channel is above 0."""

    def forward(self, x: Tensor) -> Tensor:
        bright = 20 * x[:, :1].sign()
        return torch.cat([-bright, bright, torch.full_like(bright.repeat(1, 5, 1, 1), -50.0)], 1)


def script(path: Path, module: nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript
        torch.jit.save(torch.jit.script(module), path)
    return path


def schp_file(path: Path, classes: int, bias: Tensor) -> Path:
    """A checkpoint of SCHP, all zero but for `bias` [classes], so that every pixel's logits are these."""
    shapes = {key: value.shape for key, value in empty_network(classes).state_dict().items()}
    state = {f"module.{key}": torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    torch.save({"state_dict": state | {"module.fushion.3.bias": bias}}, path)
    return path


def halves(size: tuple[int, int] = SIZE) -> np.ndarray:
    """A grey picture whose upper half is dark and whose lower half is bright: uint8 [H, W]."""
    grey = np.full(size, 30, np.uint8)
    grey[size[0] // 2 :] = 220
    return grey


def write_people(folder: Path, count: int = 2) -> None:
    """`count` .jpg files, a .jpeg, a grey PNG, one in a sub-folder, one cut short, one that is no picture's name."""
    (folder / "below" / "deep").mkdir(parents=True)
    colour = Image.fromarray(halves()).convert("RGB")
    for number in range(count):
        colour.save(folder / f"{number:04d}_c1_f0.jpg", quality=95)
    colour.save(folder / "tall.jpeg", quality=95)
    Image.fromarray(halves((20, 30))).save(folder / "grey.png")
    colour.save(folder / "below" / "deep" / "0000_c1_f0.jpg", quality=95)
    (folder / "below" / "cut.jpg").write_bytes((folder / "tall.jpeg").read_bytes()[:200])
    (folder / "Thumbs.db").write_bytes(b"no image")


def end(*words: object) -> int:
    """The exit status of `pivl-bench parse` on the CPU."""
    with pytest.raises(SystemExit) as ended:
        main(["parse", *map(str, words)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def torchscript_words(folder: Path, weights: Path, maps: Path) -> list[object]:
    kind = ["--parser", "torchscript", "--trust", "--labels", "pascal", "--input-size", "24x12"]
    return [
        folder,
        *kind,
        "--normalization",
        "half",
        "--weights",
        weights,
        "--output",
        maps,
        "--device",
        "cpu",
    ]


def found_maps(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def hollow_state(classes: int) -> dict[str, Tensor]:
    """A checkpoint's tensors, every one a single stored number, so that the file is small."""
    state = empty_network(classes).state_dict()
    return {f"module.{key}": torch.full((1,), 0.5).expand(value.shape) for key, value in state.items()}
