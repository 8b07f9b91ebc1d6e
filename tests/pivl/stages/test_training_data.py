"""The labels of cells."""

from dataclasses import replace

import pytest
import torch

from pivl.data.part_maps.labels import IGNORE
from pivl.data.store import Batch
from pivl.stages.training_data import aim_cells, cell_labels, weigh_cells
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


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ("class", [{0: 0.5, 5: 0.25, 6: 0.25}, {}, {0: 0.875, 6: 0.125}]),
        ("ignore", [{5: 0.5, 6: 0.5}, {}, {}]),  # of the last, the vote makes background
    ],
)
def test_shares_divide_the_weight_of_a_cell_among_its_labelled_pixels(background, expected):
    part_map = torch.full((1, 12, 16), IGNORE, dtype=torch.uint8)
    part_map[:, :4, :8], part_map[:, :4, 8:12], part_map[:, :4, 12:] = 0, 5, 6
    part_map[:, 8:], part_map[:, 11, :8] = 0, 6
    tower, chosen = tiny_clip().vision, {"cell_targets": "shares", "label_vote": "foreground"}
    recipe = replace(RECIPE, **chosen, background=background)
    blank = torch.zeros(1, dtype=torch.int64)
    batch = Batch(torch.zeros(1, 3, 12, 16), blank, blank, part_map)
    labels, weights = aim_cells(recipe, tower, batch, (3, 1), 20)
    assert labels.tolist() == cell_labels(recipe, tower, part_map, (3, 1), 20).tolist()
    found = [{part: share for part, share in enumerate(cell) if share} for cell in weights[0].tolist()]
    assert found == expected
    torch.testing.assert_close(weights.sum(2), weigh_cells(recipe, labels, None, 20))
