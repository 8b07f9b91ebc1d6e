"""The optimisation loop, its schedules and freezing."""

import math

import pytest
import torch
from torch import nn

from pivl.errors import TrainingFailed
from pivl.loop import Fit, gradient_norms, only_trainable, smooth_cosine, warm_cosine, warm_steps


def _descend(loss_terms, epochs=2, schedule=lambda epoch, share: 1.0, rate=0.5):
    weight = nn.Parameter(torch.tensor([4.0]))
    optimizer = torch.optim.SGD([weight], lr=rate)
    steps = list(
        Fit(epochs, lambda _: [torch.arange(3)] * 2, lambda _: loss_terms(weight), optimizer, schedule)
    )
    return weight, steps


def test_fit_takes_the_steps_of_gradient_descent_on_the_sum_of_terms():
    # d/dw (w^2/2 + w) = w + 1, so w + 1 halves with every step at rate 0.5: 5 -> 5/16 after 4 steps
    weight, steps = _descend(lambda w: {"square": w.square().sum() / 2, "linear": w.sum()})
    assert float(weight.detach()) == pytest.approx(5 / 16 - 1)
    assert [(step.epoch, step.step, step.steps, step.images) for step in steps] == [
        (1, 1, 2, 3), (1, 2, 2, 3), (2, 1, 2, 3), (2, 2, 2, 3),
    ]  # fmt: skip
    assert float(steps[0].terms["square"]) == 8.0


def test_the_schedule_scales_each_groups_own_rate():
    weight, steps = _descend(lambda w: {"linear": w.sum()}, schedule=lambda epoch, share: epoch * (1 + share))
    # factors 1, 1.5, 2, 3 on a rate of 0.5 and a gradient of 1
    assert float(weight.detach()) == pytest.approx(4 - 0.5 * 7.5)
    assert [step.factor for step in steps] == [1.0, 1.5, 2.0, 3.0]


def test_a_loss_that_is_not_finite_stops_with_its_terms():
    with pytest.raises(TrainingFailed, match=r"epoch 1, step 1: fine 4, broken nan"):
        _descend(lambda w: {"fine": w.sum(), "broken": w.sum() * math.nan})


def test_gradients_are_those_of_each_term_and_change_no_step():
    # d/dw (3 w) = 3 at w = 4, and 2 w = 8: the norms at a parameter by hand; `other` does not come from it
    def terms(weight):
        return {
            "linear": 3 * weight.sum(),
            "square": weight.square().sum(),
            "other": nn.Parameter(weight.data).sum(),
        }

    def fit(weight, **measuring):
        optimizer = torch.optim.SGD([weight], lr=0.125)
        return list(
            Fit(2, lambda _: [torch.arange(1)] * 3, lambda _: terms(weight), optimizer, flat, **measuring)
        )

    def flat(epoch, share):
        return 1.0

    watched, alone = nn.Parameter(torch.tensor([4.0])), nn.Parameter(torch.tensor([4.0]))
    steps = fit(watched, gradients=lambda named: gradient_norms(named, watched))
    fit(alone)
    assert torch.equal(watched, alone)
    assert steps[0].gradients == {"linear": 3.0, "square": 8.0, "other": 0.0}
    assert [bool(step.gradients) for step in steps] == [True, False, False, True, False, False]


def test_only_the_named_parameters_train():
    layer, other = nn.Linear(2, 2), nn.Linear(2, 2)
    only_trainable([layer.bias], layer, other)
    assert [parameter.requires_grad for parameter in (layer.weight, layer.bias, other.weight, other.bias)] == [
        False, True, False, False,
    ]  # fmt: skip


def test_stage_two_rates_of_clip_reid_are_those_written_down():
    # method.md 1.2: CNN, base 3.5e-4
    rate = warm_steps((40, 70), 10, 0.01)
    expected = {1: 3.815e-5, 5: 1.7675e-4, 9: 3.1535e-4, 10: 3.5e-4, 40: 3.5e-5, 70: 3.5e-6}
    for epoch, value in expected.items():
        assert 3.5e-4 * rate(epoch, 0.5) == pytest.approx(value, rel=1e-9)


def test_stage_one_rates_of_clip_reid_are_those_written_down():
    rate = warm_cosine(60, 3.5e-4, 5, 1e-5, 1e-6)
    for epoch, value in {1: 7.8e-5, 4: 2.82e-4, 60: 1e-6}.items():
        assert 3.5e-4 * rate(epoch, 0.0) == pytest.approx(value, rel=1e-9)
    assert 3.5e-4 * rate(5, 0.0) == pytest.approx(3.441e-4, abs=5e-8)  # written to four digits


def test_the_smooth_schedule_rises_to_one_and_ends_near_zero():
    factor = smooth_cosine(4, 1.0, 0.1)
    assert factor(1, 0.0) == pytest.approx(0.1)
    assert factor(2, 0.0) == pytest.approx(1.0)
    assert factor(3, 0.5) == pytest.approx(0.5)  # half-way down
    assert factor(4, 0.999) < 1e-5
