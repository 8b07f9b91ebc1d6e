"""SCHP: the network's keys and norm, the way from a picture to its part map, checkpoints and the original's figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.data.part_maps.labels import ATR, LIP, PASCAL
from pivl.errors import UserError
from pivl.parsers.schp import AugmentCE2P, Norm, empty_network, read_network
from pivl.parsers.schp_extractor import (
    TRAINED,
    bands,
    into_square,
    label,
    out_of_square,
    parse_images,
    to_input,
)
from pivl.verification.reference_file import read_figures
from pivl.verification.schp import draw_network, schp_weight
from tests.support.naive import FOLDER
from tests.support.parser_files import hollow_state
from tests.support.reference_files import rewritten, verify

REFERENCE = FOLDER / "schp_lip.npz"
Write = Callable[[Path, dict[str, Tensor]], None]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (height, width, 3), generator=stream(), dtype=torch.uint8)


def sampled(values: Tensor, y: float, x: float) -> float:
    """values [H, W] between four pixels, zero beyond them, written out."""
    total = 0.0
    for row in (int(y // 1), int(y // 1) + 1):
        for column in (int(x // 1), int(x // 1) + 1):
            if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                total += float(values[row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def test_keys_and_shapes_are_those_of_the_original() -> None:
    figures = read_figures(REFERENCE).values
    state = sorted(empty_network(20).state_dict().items())
    assert [key for key, _ in state] == figures["state_dict_keys"].tolist()
    assert [str(tuple(value.shape)) for _, value in state] == figures["state_dict_shapes"].tolist()
    assert len(state) == 603


@pytest.mark.parametrize("classes", [18, 7])
def test_other_label_sets_change_the_two_last_layers_alone(classes: int) -> None:
    lip, other = (
        {key: value.shape for key, value in empty_network(n).state_dict().items()} for n in (20, classes)
    )
    differing = {key for key in lip if lip[key] != other[key]}
    layers = ("decoder.conv4", "fushion.3")
    assert differing == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert lip.keys() == other.keys()


def test_label_set_and_input_size_follow_from_the_number_of_classes() -> None:
    assert TRAINED == {20: (LIP, 473), 18: (ATR, 512), 7: (PASCAL, 512)}


def test_the_norm_drops_the_sign_of_its_scale() -> None:
    """(x - mean) / sqrt(var + eps) * (|weight| + eps) + bias, and a hundredth of what is below zero."""
    norm, leaky = Norm(1), Norm(1, leaky=True)
    for module in (norm, leaky):
        for name, value in (("weight", -2.0), ("bias", 1.0), ("running_mean", 3.0), ("running_var", 4.0)):
            getattr(module, name).fill_(value)
    x = torch.tensor([5.0, -1.0]).view(1, 1, 1, 2)
    assert norm.train()(x).flatten().tolist() == pytest.approx([3.0, -3.0], rel=1e-4)
    assert leaky(x).flatten().tolist() == pytest.approx([3.0, -0.03], rel=1e-4)


@pytest.mark.parametrize(("height", "width"), [(16, 8), (8, 16), (40, 23)])
def test_a_picture_is_warped_as_written_out(height: int, width: int) -> None:
    """Channel 0 is blue; the picture's corners, at pixel centres, touch the input's along its longer side."""
    image, size = picture(height, width), 21
    ours = to_input(image, size)
    assert ours.shape == (3, size, size)
    step = (max(height, width) - 1) / (size - 1)
    for channel, (mean, std) in enumerate([(0.406, 0.225), (0.456, 0.224), (0.485, 0.229)]):
        values = image[..., 2 - channel].double()
        for row in range(0, size, 3):
            for column in range(size):
                y = (row - 10) * step + (height - 1) / 2
                x = (column - 10) * step + (width - 1) / 2
                expected = (sampled(values, y, x) / 255 - mean) / std
                assert float(ours[channel, row, column]) == pytest.approx(expected, abs=0.5001 / 255 / std)


def test_a_square_picture_of_the_input_size_keeps_every_byte() -> None:
    image = picture(17, 17)
    mean, std = torch.tensor([0.406, 0.456, 0.485]), torch.tensor([0.225, 0.224, 0.229])
    expected = ((image.flip(2).float() / 255 - mean) / std).permute(2, 0, 1)
    assert torch.allclose(to_input(image, 17), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(128, 64), (64, 128), (1, 1), (1, 9)])
def test_the_way_back_is_the_inverse(size: tuple[int, int]) -> None:
    for length in size:
        there = out_of_square(length, size, 473)
        assert there.min() >= -1e-9
        assert there.max() <= 472 + 1e-9
        grid = into_square(length, size, 473)
        back = grid[0] + there * (grid[1] - grid[0])
        assert torch.allclose(back, torch.arange(length, dtype=torch.float64), atol=1e-9)


def test_logits_go_back_as_written_out() -> None:
    """Enlarged to the whole input, then warped; 70 rows are more than one band."""
    logits, size, input_size = torch.randn(3, 6, 6, generator=stream()), (70, 31), 21
    ours = torch.cat(list(bands(logits, size, input_size)), dim=1)
    assert ours.shape == (3, *size)
    large = F.interpolate(logits[None], (input_size,) * 2, mode="bilinear", align_corners=True)[0]
    step = (input_size - 1) / 69
    for row in range(0, 70, 4):
        for column in range(0, 31, 3):
            y, x = row * step, (column - 15) * step + 10
            expected = [sampled(channel, y, x) for channel in large]
            assert ours[:, row, column].tolist() == pytest.approx(expected, abs=1e-5)


def test_labels_are_the_largest_logit_and_confidence_its_softmax() -> None:
    logits = torch.tensor([0.0, 2.0, 1.0]).view(3, 1, 1).expand(3, 5, 5)
    parsed = label(logits, (8, 4), 17)
    assert torch.equal(parsed.part_map, torch.ones(8, 4, dtype=torch.uint8))
    expected = torch.tensor([0.0, 2.0, 1.0]).softmax(0)[1]
    assert torch.allclose(parsed.confidence, expected.expand(8, 4), atol=1e-6)


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    network = AugmentCE2P(7).eval()
    images = [picture(30, 20), picture(9, 50)]
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 65, 65)).shape == (1, 7, 17, 17)
    together = parse_images(network, images, 65)
    for image, parsed in zip(images, together, strict=True):
        (alone,) = parse_images(network, [image], 65)
        assert parsed.part_map.shape == image.shape[:2]
        assert torch.allclose(alone.confidence, parsed.confidence, atol=1e-5)


def test_logits_that_are_not_finite_are_refused() -> None:
    """Finite weights may overflow all the same: what would be background everywhere is one line."""
    network = AugmentCE2P(7).eval()
    network.fushion[3].weight.fill_(3e38)
    network.fushion[3].bias.fill_(3e38)
    with pytest.raises(UserError, match=r"some\.pth: its logits are not finite") as refused:
        parse_images(network, [picture(9, 9)], 65, source=Path("some.pth"))
    assert refused.value.number == 0


def save(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"epoch": 150, "state_dict": state}, path)


@pytest.mark.parametrize("classes", [20, 18, 7])
def test_a_checkpoint_says_how_many_classes_it_has(tmp_path: Path, classes: int) -> None:
    path = tmp_path / "schp.pth"
    save(path, hollow_state(classes))
    network = read_network(path)
    assert network.classes == classes
    assert all(bool((value == 0.5).all()) for value in network.state_dict().values())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def _truncated(path: Path, state: dict[str, Tensor]) -> None:
    save(path, state)
    path.write_bytes(path.read_bytes()[:-3000])


def _page(path: Path, _: dict[str, Tensor]) -> None:
    path.write_text("<!DOCTYPE html><title>Google Drive - Virus scan warning</title>")


def _other_network(path: Path, _: dict[str, Tensor]) -> None:
    save(path, {"fc.weight": torch.zeros(2, 2)})


def _lacking(path: Path, state: dict[str, Tensor]) -> None:
    save(path, {key: value for key, value in state.items() if "bn1.bias" not in key})


def _batch_norms(path: Path, state: dict[str, Tensor]) -> None:
    save(path, state | {"module.bn1.num_batches_tracked": torch.tensor(1)})


def _other_shape(path: Path, state: dict[str, Tensor]) -> None:
    save(path, state | {"module.conv2.weight": torch.zeros(64, 64, 1, 1)})


def _not_finite(path: Path, state: dict[str, Tensor]) -> None:
    save(path, state | {"module.bn1.bias": torch.full((64,), torch.inf)})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path, _: None, "no such checkpoint"),
        (_truncated, "not whole weights"),
        (_page, "not whole weights"),
        (_other_network, "holds no fushion.3.weight"),
        (_lacking, r"lacks bn1.bias \(34 keys differ\)"),
        (_batch_norms, r"has bn1.num_batches_tracked \(1 keys differ\)"),
        (_not_finite, "module.bn1.bias holds numbers that are not finite"),
        (_other_shape, r"conv2.weight is of shape \(64, 64, 1, 1\), not \(64, 64, 3, 3\)"),
    ],
)
def test_what_is_no_checkpoint_of_schp_is_one_line(tmp_path: Path, write: Write, message: str) -> None:
    path = tmp_path / "broken.pth"
    write(path, hollow_state(20))
    with pytest.raises(UserError, match=f"broken.pth: {message}.*; ") as raised:
        read_network(path)
    assert "\n" not in str(raised.value)


def test_weights_follow_the_rules_of_the_readme() -> None:
    last = schp_weight("fushion.3.weight", (3, 50, 1, 1), 7)
    assert torch.allclose(last.mean(1), torch.zeros(3, 1, 1), atol=1e-6)
    assert float(last.std()) == pytest.approx((2 / 50) ** 0.5, rel=0.2)
    assert bool((schp_weight("bn1.weight", (64,), 7) < 0).any())
    assert bool((schp_weight("bn1.running_var", (64,), 7) >= 0.5).all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, meta: meta.update(classes=1), "classes is 1, not a whole number from 2 to 1024"),
        (
            lambda _, meta: meta.update(input_size="473"),
            "input_size is '473', not a whole number from 2 to 2048",
        ),
        (lambda arrays, _: arrays.pop("margin0"), "it lacks margin0"),
        (lambda arrays, _: arrays.update(labels1=arrays["labels0"]), "labels1 does not go with image1"),
        (lambda arrays, _: arrays.update(image0=arrays["image0"][..., 0]), "image0 is uint8 of shape"),
    ],
)
def test_a_reference_that_describes_nothing_to_parse_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(UserError, match=f"foreign.npz: {message}.*; use a reference file as it was made"):
        verify(rewritten(REFERENCE, tmp_path / "foreign.npz", change))


@pytest.mark.slow  # 67 million weights are drawn and four pictures parsed: 15 s
def test_every_figure_of_the_original_is_met_and_a_changed_one_seen(tmp_path: Path) -> None:
    assert [check.key for check in verify(REFERENCE) if not check.passed] == []

    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        arrays["state_dict_keys"] = np.array([*arrays["state_dict_keys"][:-1], "layer5.weight"])
        flat = arrays["logits_stride4_0"].reshape(-1)
        flat[np.abs(flat).argmax()] *= 1.002
        for number, chosen in (
            (0, np.argmin),
            (1, np.argmax),
        ):  # an uncertain label of one, a certain one of two
            arrays[f"labels{number}"].reshape(-1)[chosen(arrays[f"margin{number}"])] = 3

    found = {
        check.key for check in verify(rewritten(REFERENCE, tmp_path / "c.npz", change)) if not check.passed
    }
    assert found == {"state_dict_keys", "logits_stride4_0", "labels1"}


@pytest.mark.slow  # 67 million weights are drawn and two pictures parsed: 7 s
def test_margins_of_the_original_are_met_at_every_pixel() -> None:
    """On the whole way: float16 keeps 11 bits, and the largest logits are about 14."""
    figures = read_figures(REFERENCE).values
    network = draw_network(empty_network(20), 7)
    for number in range(2):
        image = torch.from_numpy(figures[f"image{number}"])
        with torch.inference_mode():
            logits = network(to_input(image, 473)[None])[0]
        first, second = torch.cat(list(bands(logits, image.shape[:2], 473)), dim=1).topk(2, dim=0).values
        theirs = torch.from_numpy(figures[f"margin{number}"]).float()
        assert float((first - second - theirs).abs().max()) < 2**-10 * float(theirs.max()) + 14 * 1e-4
