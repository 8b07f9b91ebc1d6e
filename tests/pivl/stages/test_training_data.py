"""The labels of cells."""

from dataclasses import replace

import pytest
import torch

from pivl.data.part_maps.labels import IGNORE
from pivl.stages.training_data import cell_labels
from pivl.towers.clip import ImageInput, build_vision
from tests.support.tiny_models import RECIPE, SIZE, VIT, tiny_clip


def test_cells_are_named_by_their_part():
    part_map = torch.full((2, 32, 16), IGNORE, dtype=torch.uint8)
    part_map[0, :16], part_map[1, 16:] = 5, 0
    tower = tiny_clip().vision
    labels = cell_labels(RECIPE, tower, part_map, (2, 1), 20)
    assert labels.flatten().tolist() == [5, IGNORE, IGNORE, 0]
    labels = cell_labels(replace(RECIPE, background="ignore"), tower, part_map, (2, 1), 20)
    assert labels.flatten().tolist() == [5, IGNORE, IGNORE, IGNORE]


def test_overlapping_patches_are_labelled_by_their_own_windows():
    """Patches of 8 pixels every 4: the second of a column looks at rows 4 to 11, which even cells do not."""
    part_map = torch.zeros(1, 32, 16, dtype=torch.uint8)
    part_map[:, 4:12] = 5
    tower = build_vision(VIT, ImageInput(SIZE, stride=4))
    assert tower.grid == (7, 3)
    labels = cell_labels(RECIPE, tower, part_map, tower.grid, 20)
    assert labels[0, :, 0].tolist() == [
        5,
        5,
        5,
        0,
        0,
        0,
        0,
    ]  # halves of the first and third, all of the second
    assert labels.shape == (1, 7, 3)


def test_without_part_maps_part_texts_are_refused():
    with pytest.raises(ValueError, match="part texts need part maps"):
        cell_labels(RECIPE, tiny_clip().vision, None, (2, 1), 20)
