"""Confusion of parts against counts by hand, and what guesses score."""

import math

import pytest
import torch

from pivl.evaluation.confusion import Confusion


def test_cells_are_counted_by_part_and_answer():
    part, answer = torch.tensor([[0, 1, 1], [2, 2, 2]]), torch.tensor([[0, 2, 1], [2, 0, 2]])
    counts = Confusion.of(part, answer, 4).counts
    assert counts.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 2, 0], [0, 0, 0, 0]]


def test_accuracy_is_over_cells_and_balanced_accuracy_over_parts():
    # part 0: 8 of 10, part 1: 0 of 2; part 2 has no cell and does not count
    found = Confusion(torch.tensor([[8, 2, 0], [1, 0, 1], [0, 0, 0]]))
    assert found.accuracy == pytest.approx(8 / 12)
    assert found.majority == pytest.approx(10 / 12)
    assert found.balanced == pytest.approx((0.8 + 0) / 2)
    assert found.balanced_chance == pytest.approx(1 / 2)


@pytest.mark.parametrize("everywhere", [0, 1, 2])
def test_every_answer_that_is_the_same_everywhere_has_the_balanced_chance(everywhere):
    part = torch.tensor([0] * 7 + [1] * 2 + [2])
    guess = Confusion.of(part, torch.full_like(part, everywhere), 3)
    assert guess.balanced == pytest.approx(guess.balanced_chance)


def test_sides_that_count_as_one_are_never_taken_for_each_other():
    part, answer = torch.tensor([1, 1, 2, 3]), torch.tensor([2, 3, 1, 3])
    merged = Confusion.of(part, answer, 4).merged(((1, 2),))
    assert merged.accuracy == pytest.approx(3 / 4)
    assert merged.balanced == pytest.approx((2 / 3 + 1) / 2)


def test_without_cells_there_is_no_accuracy():
    nothing = Confusion(torch.zeros(3, 3, dtype=torch.int64))
    assert math.isnan(nothing.accuracy)
    assert math.isnan(nothing.balanced)
