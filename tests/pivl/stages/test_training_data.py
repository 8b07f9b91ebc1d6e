"""The labels of cells, and the features of the frozen tower."""

from dataclasses import replace

import pytest
import torch

from pivl.data.part_maps.labels import IGNORE
from pivl.data.store import Batch
from pivl.stages import training_data
from pivl.stages.training_data import TrainingData, aim_cells, cell_labels, weigh_cells
from pivl.towers.clip import ImageInput, build_vision
from tests.support.tiny_models import PI_VL, RECIPE, SIZE, VIT, tiny_clip, tiny_trainer


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


def test_frozen_features_of_few_pictures_are_kept_until_pictures_or_weights_change(monkeypatch):
    trainer, seen = tiny_trainer(PI_VL), []
    forward = trainer.clip.vision.forward
    monkeypatch.setattr(
        trainer.clip.vision, "forward", lambda image: seen.append(len(image)) or forward(image)
    )
    split = replace(
        trainer.split, train=replace(trainer.split.train, image=trainer.split.train.image.clone())
    )

    def features(seed: int) -> torch.Tensor:
        data = TrainingData.hold(PI_VL, split, trainer.clip, seed, torch.device("cpu"))
        return data.for_prompts("identity-prompts").image

    first, again = features(0), features(1)
    assert len(seen) == 1
    assert torch.equal(first, again)
    with torch.no_grad():
        trainer.clip.vision.net.conv1.weight.mul_(2)
    changed = features(0)
    assert len(seen) == 2
    assert not torch.equal(first, changed)
    split.train.image.clamp_(max=100)
    assert not torch.equal(features(0), changed)
    monkeypatch.setattr(training_data, "KEPT", 0)
    assert torch.equal(features(0), features(0))
    assert len(seen) == 5
