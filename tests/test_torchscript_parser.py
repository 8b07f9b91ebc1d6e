"""Scripted networks as parsers: any grid of logits, and one line for a network of another kind."""

import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.data.labels import PASCAL
from pivl.parsers.parser import torchscript
from tests.parsers import end, halves, script, torchscript_words


class Named(nn.Module):
    """What a network that gives a dictionary looks like."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": x}


def test_a_scripted_network_works_on_a_grid_of_its_own(tmp_path: Path) -> None:
    """Logits at half the size go back as torch enlarges them."""
    weights = script(tmp_path / "n.pt", nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 7, 1)))
    parser = torchscript(weights, PASCAL, (8, 16), "half", torch.device("cpu"), mixed=False)
    image = torch.randint(0, 256, (8, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    (parsed,) = parser.parse([image])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logits = torch.jit.load(weights)(image.permute(2, 0, 1)[None] / 127.5 - 1)
    expected = F.interpolate(logits, (8, 16), mode="bilinear", align_corners=False)[0]
    assert torch.allclose(parsed.confidence, expected.softmax(0).amax(0), atol=1e-5)
    assert (parsed.part_map == expected.argmax(0)).float().mean() > 0.98


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Identity(), "its output is of shape (1, 3, 24, 12), not logits [B, 7, h, w] of label set pascal"),
        (Named(), "its output is dict"),
        (nn.Conv2d(4, 7, 1), "the network fails on a batch of shape (1, 3, 24, 12)"),
        (None, "no TorchScript archive"),
    ],
)
def test_a_network_of_another_kind_is_one_line(
    tmp_path: Path, module: nn.Module | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "n.pt"
    script(weights, module) if module else weights.write_bytes(b"PK no network")
    (tmp_path / "images").mkdir()
    Image.fromarray(halves()).save(tmp_path / "images" / "a.png")
    assert end(*torchscript_words(tmp_path / "images", weights, tmp_path / "maps")) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
