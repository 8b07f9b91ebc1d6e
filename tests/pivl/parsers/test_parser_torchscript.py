"""Scripted networks as parsers: any grid of logits, and one line for a network of another kind."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.data.part_maps.labels import PASCAL
from pivl.parsers.parser import torchscript
from tests.support.mutations import COUNTS, check_reader
from tests.support.parser_files import Threshold, end, halves, script, torchscript_words


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


class Broken(nn.Module):
    """A network whose interpreter says many lines, the last of them its own."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 0:
            raise ValueError("this network has no weights")
        return x


class Counts(nn.Module):
    """Labels where logits are expected, as networks that take the argmax themselves give."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1].repeat(1, 7, 1, 1).long()


class Poisoned(nn.Module):
    """Certain of part 1, but of a bright picture's corner it knows nothing."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        logits = x[:, :1].repeat(1, 7, 1, 1) * 0.0
        for picture in range(x.shape[0]):
            if bool((x[picture] > 0.5).all()):
                logits[picture, 3, 0, 0] = self.value
        return logits


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            Broken(),
            "the network fails on a batch of shape (1, 3, 24, 12) (builtins.ValueError: this network has no",
        ),
        (
            Counts(),
            "its output is int64 of shape (1, 7, 24, 12), not logits [B, 7, h, w] of label set pascal",
        ),
        (
            nn.Conv2d(3, 20, 1),
            "its output is of shape (1, 20, 24, 12), not logits [B, 7, h, w] of label set pascal",
        ),
        (nn.Flatten(), "its output is of shape (1, 864), not logits"),
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


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite_name_network_and_picture(
    value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, images = script(tmp_path / "n.pt", Poisoned(value)), tmp_path / "images"
    images.mkdir()
    for name, grey in (("a", 30), ("b", 250), ("c", 30)):
        Image.fromarray(np.full((24, 12), grey, np.uint8)).save(images / f"{name}.png")
    assert end(*torchscript_words(images, weights, tmp_path / "maps")) == 2
    told = capsys.readouterr().err
    assert (
        f"{images / 'b.png'}: {weights}: its logits are not finite (NaN or infinity); use weights without"
        in told
    )
    assert told.count("\n") == 1
    assert not list((tmp_path / "maps").glob("*.png"))


def test_code_runs_only_where_it_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --trust nothing of the file is looked at: it need not even be there."""
    words = torchscript_words(tmp_path, tmp_path / "absent.pt", tmp_path / "maps")
    words.remove("--trust")
    assert end(*words) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path / 'absent.pt'}: --parser torchscript runs the code in this file" in told
    assert "add --trust if you trust who made it" in told
    assert told.count("\n") == 1
    assert end(tmp_path, "--trust", "--output", tmp_path / "maps") == 2
    assert (
        "--parser schp has no use for --trust, which is for torchscript; leave it out"
        in capsys.readouterr().err
    )


@COUNTS
def test_damaged_archives_are_one_line_or_loaded(count: int, tmp_path: Path) -> None:
    """Trusted or not: torch itself reads them, so that only its manners are ours."""
    weights, cpu = script(tmp_path / "n.pt", Threshold()), torch.device("cpu")
    image = torch.zeros(8, 8, 3, dtype=torch.uint8)

    def read(path: Path) -> None:
        torchscript(path, PASCAL, (8, 8), "half", cpu, mixed=False).parse([image])

    assert check_reader(weights, weights.read_bytes(), read, count) > count / 3
