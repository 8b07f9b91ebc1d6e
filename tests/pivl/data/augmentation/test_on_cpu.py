"""Augmentation by slices: the bits of a GPU's way, with and without the labels of erased pixels."""

from dataclasses import replace

import pytest
import torch

from pivl.data.augmentation.draws import ROW, Augmentation, draw_params
from pivl.data.augmentation.on_cpu import apply_by_slices
from pivl.data.augmentation.on_gpu import apply_by_index
from pivl.data.normalization import IMAGENET
from pivl.data.part_maps.labels import LIP
from pivl.data.store import Decoded

SIZE = (24, 16)
LIP_MIRROR = torch.from_numpy(LIP.mirror_table())


def pictures_of(count: int) -> Decoded:
    random = torch.Generator().manual_seed(5)
    part_map = torch.randint(0, 20, (count, *SIZE), generator=random, dtype=torch.uint8)
    image = torch.randint(0, 256, (count, 3, *SIZE), generator=random, dtype=torch.uint8)
    return Decoded(image, torch.arange(count), torch.arange(count) % 3, part_map, part_map)


def augmented(decoded: Decoded, augmentation: Augmentation, move=apply_by_slices):
    draws = torch.rand(
        len(decoded.image), ROW, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    moves = draw_params(draws, SIZE, augmentation, torch.device("cpu"))
    return move(decoded, moves, augmentation, IMAGENET, LIP_MIRROR), moves


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("padding", [0, 4])
def test_slices_and_indices_give_the_same_bits(padding: int, labels: bool) -> None:
    """What a CPU and a GPU do: the same rectangles, the same noise, the same labels."""
    augmentation = Augmentation(padding=padding, erase_labels=labels)
    (slices, moves), (indices, _) = (
        augmented(pictures_of(40), augmentation, move) for move in (apply_by_slices, apply_by_index)
    )
    assert (moves.height > 0).any()
    for name in ("image", "part_map", "confidence"):
        assert torch.equal(getattr(slices, name), getattr(indices, name)), name


def test_erased_pixels_keep_their_labels_where_that_is_wanted() -> None:
    """Then map and confidence are those of a picture that nothing was erased of; the picture itself is erased."""
    usual = Augmentation(padding=4)
    kept, whole, erased = (
        augmented(pictures_of(32), replace(usual, erase_probability=chance, erase_labels=labels))[0]
        for chance, labels in ((1, False), (0, True), (1, True))
    )
    assert torch.equal(kept.image, erased.image)
    assert not torch.equal(kept.image, whole.image)
    for name in ("part_map", "confidence"):
        assert torch.equal(getattr(kept, name), getattr(whole, name))
        assert not torch.equal(getattr(kept, name), getattr(erased, name))
