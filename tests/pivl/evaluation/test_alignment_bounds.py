"""Bounds of the alignment loss against loops over cells, and against maps that know as much and no more."""

import math

import pytest
import torch
from torch.nn import functional

from pivl.evaluation.alignment_bounds import AlignmentBounds
from pivl.losses import alignment


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of 4 people and 3 parts of any length, and how many cells each is the target of; person 3 has no part 2."""
    generator = torch.Generator().manual_seed(seed)
    texts = torch.randn(4, 3, 6, generator=generator) * torch.rand(4, 3, 1, generator=generator)
    weights = torch.randint(1, 9, (4, 3), generator=generator).float()
    weights[3, 2] = 0
    return texts, weights


def cells_of(weights):
    """Each cell as (person, part), as often as it counts."""
    return [(p, k) for p in range(4) for k in range(3) for _ in range(int(weights[p, k]))]


def least_by_hand(texts, cells, key):
    """The mean loss of the mean direction of each group of cells, cell by cell."""
    unit = {(p, k): texts[p, k] / texts[p, k].norm() for p, k in cells}
    total = 0.0
    for group in {key(cell) for cell in cells}:
        own = [unit[cell] for cell in cells if key(cell) == group]
        best = sum(own) / len(own)
        best = best / best.norm()
        total += sum(float((best - target).square().sum()) for target in own)
    return total / len(cells)


def test_bounds_equal_loops_over_cells():
    texts, weights = drawn()
    bounds, cells = AlignmentBounds.of(texts, weights), cells_of(weights)
    assert bounds.constant == pytest.approx(least_by_hand(texts, cells, lambda cell: 0), rel=1e-5)
    assert bounds.per_part == pytest.approx(least_by_hand(texts, cells, lambda cell: cell[1]), rel=1e-5)
    assert bounds.per_person == pytest.approx(least_by_hand(texts, cells, lambda cell: cell[0]), rel=1e-5)


def test_bounds_of_raw_vectors_equal_loops_over_cells():
    texts, weights = drawn()
    bounds, cells = AlignmentBounds.of(texts, weights, "raw"), cells_of(weights)
    for found, key in (
        (bounds.constant, lambda cell: 0),
        (bounds.per_part, lambda cell: cell[1]),
        (bounds.per_person, lambda cell: cell[0]),
    ):
        total = 0.0
        for group in {key(cell) for cell in cells}:
            own = [texts[cell] for cell in cells if key(cell) == group]
            total += sum(float((sum(own) / len(own) - target).square().mean()) for target in own)
        assert found == pytest.approx(total / len(cells), rel=1e-5)


def test_bounds_of_classes_are_entropies():
    # person 0 shows part 0 three times and part 1 once, person 1 part 1 four times
    weights = torch.tensor([[3.0, 1.0], [0.0, 4.0]])
    bounds = AlignmentBounds.of(torch.randn(2, 2, 5), weights, "classes")
    assert bounds.constant == pytest.approx(-(3 / 8) * math.log(3 / 8) - (5 / 8) * math.log(5 / 8))
    assert bounds.per_person == pytest.approx(0.5 * (-(3 / 4) * math.log(3 / 4) - (1 / 4) * math.log(1 / 4)))
    assert bounds.per_part == 0
    assert bounds.skill(0.0) == 1


def test_no_vector_everywhere_has_a_smaller_alignment_loss_than_the_bound():
    texts, weights = drawn(1)
    cells = cells_of(weights)
    own = torch.stack([texts[p] for p, _ in cells])  # each cell as a picture of one cell
    labels = torch.tensor([[[k]] for _, k in cells])
    bound = AlignmentBounds.of(texts, weights).constant
    mean = sum(functional.normalize(texts[p, k], dim=0) for p, k in cells)
    losses = [
        float(alignment(vector.expand(len(cells), -1)[..., None, None], own, labels))
        for vector in (mean, *torch.randn(200, 6, generator=torch.Generator().manual_seed(2)))
    ]
    assert losses[0] == pytest.approx(bound, rel=1e-5)
    assert min(losses) == losses[0]


def test_skill_is_0_for_the_constant_and_1_for_the_targets_themselves():
    bounds = AlignmentBounds.of(*drawn())
    assert bounds.skill(bounds.constant) == 0
    assert bounds.skill(0.0) == 1
    assert bounds.skill_beyond_parts(bounds.per_part) == 0
    assert bounds.skill_beyond_parts(bounds.constant) < 0


def test_texts_without_identity_leave_nothing_beyond_parts():
    texts, weights = drawn()
    shared = texts[:1].expand(4, -1, -1)
    bounds = AlignmentBounds.of(shared, weights)
    assert bounds.per_part == pytest.approx(0, abs=1e-9)
    assert math.isnan(bounds.skill_beyond_parts(0.1))


def test_without_a_labelled_cell_there_is_no_bound():
    texts, weights = drawn()
    assert math.isnan(AlignmentBounds.of(texts, 0 * weights).constant)
