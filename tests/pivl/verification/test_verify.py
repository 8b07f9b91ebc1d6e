"""Measures of figures: what a deviation is, how large it may be, what rounding excuses, and the table that says so."""

import numpy as np
import pytest
import torch

from pivl import losses
from pivl.verification import clip_reid
from pivl.verification.reference_file import AFTER_STEPS, FORWARD, Check, Measure, Recomputed, compare
from pivl.verification.verify import format_checks


def test_the_hard_triplet_may_be_off_by_roundings_of_the_squares_and_no_more() -> None:
    """Strangers are 1 apart at lengths of 10; far apart, one pass is what counts; a thousandth always shows."""
    person = torch.tensor([0, 1, 1, 0])
    near = torch.tensor([[10.0, 0], [10, 1], [10, 2], [10, 3]])
    loss = losses.hard_triplet(near, person, 0.3)
    assert float(loss) == pytest.approx((3 - 1 + 1 - 1 + 0.6 + 1 - 1 + 3 - 1 + 0.6) / 4, rel=1e-3)
    measure = clip_reid.triplet_measure(loss, near, person)
    assert measure.tolerance == pytest.approx(8 * 2**-24 * (10**2 + 3**2) / 1 / float(loss), rel=1e-3)
    apart = torch.tensor([[0.0], [3], [4], [1]])
    assert clip_reid.triplet_measure(loss, apart, person).tolerance == FORWARD.tolerance
    assert clip_reid.triplet_measure(loss, near + 1000, person).tolerance == 5e-4


def nudged(deviation: float, rounding: float, shape: tuple[int, ...] = (2, 2)) -> Check:
    ours = torch.ones(shape, dtype=torch.float64)
    return compare(
        Recomputed("key", ours, AFTER_STEPS), np.full(shape, 1 + deviation), [ours * (1 + rounding), ours]
    )


def test_a_deviation_passes_up_to_three_times_what_rounding_does() -> None:
    assert nudged(5e-4, 0.0).passed
    assert not nudged(2e-3, 0.0).passed
    assert nudged(5e-2, 2e-2).passed
    assert not nudged(7e-2, 2e-2).passed
    assert not nudged(float("nan"), 2e-2).passed


def test_the_first_of_a_list_of_losses_stays_exact_where_later_ones_are_at_rounding_s_mercy() -> None:
    item = Recomputed("losses", torch.ones(3, dtype=torch.float64), AFTER_STEPS)
    moved = torch.tensor([1.0, 1.001, 1.1], dtype=torch.float64)
    assert compare(item, np.array([1.0, 1.002, 1.2]), [moved]).passed
    assert not compare(item, np.array([1.01, 1.002, 1.2]), [moved]).passed


def test_deviations_by_hand() -> None:
    ours, figure = torch.tensor([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0])
    assert Measure(1).deviations(ours, figure).tolist() == [0, 0.2, 0.2]
    assert Measure(1, "each").deviations(ours, figure).tolist() == [0, 1, 0.2]
    assert Measure(1, "nothing").deviations(ours, figure).tolist() == [0, 1, 1]
    assert Measure(1).deviations(ours, figure[:2]).tolist() == float("inf")
    assert Measure(1).deviations(torch.zeros(2), np.zeros(2)).tolist() == [0, 0]


def test_the_table_names_key_deviation_tolerance_and_outcome() -> None:
    table = format_checks(
        [
            Check("stage1.i2t", 2e-7, 1e-5, True),
            Check("lr", float("inf"), 1e-9, False),
            Check("stage2.losses", 2e-2, 1e-3, True, 1e-2),
        ]
    )
    assert table.splitlines() == [
        "key            deviation  tolerance  result",
        "stage1.i2t       2.0e-07      1e-05  pass",
        "lr                   inf      1e-09  FAIL",
        "stage2.losses    2.0e-02      1e-03  pass (rounding alone moves it by 1.0e-02)",
    ]
