"""The losses against written-out loops, cases computed by hand, invariances and gradients (Eq. 2-4, 7-8, 11)."""

import math
from functools import partial

import pytest
import torch
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE
from pivl.losses import (
    alignment,
    balance_parts,
    cell_weights,
    class_errors,
    class_errors_to_all,
    contrast,
    dense_contrast,
    hard_triplet,
    identity_loss,
    raw_errors,
    raw_errors_to_all,
    soft_alignment,
    unit_errors,
    unit_errors_to_all,
)


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _contrast_by_hand(anchors, others, positives, temperature):
    total, counted = 0.0, 0
    for anchor, mask in zip(anchors, positives, strict=True):
        logits = [float(anchor @ other) / temperature for other in others]
        top = max(logits)
        norm = top + math.log(sum(math.exp(logit - top) for logit in logits))
        chosen = [logit - norm for logit, positive in zip(logits, mask, strict=True) if positive]
        if chosen:
            total, counted = total - sum(chosen) / len(chosen), counted + 1
    return total / counted if counted else 0.0


def test_contrast_equals_the_written_out_sum():
    anchors, others = _random(7, 5), _random(9, 5, seed=1)
    positives = torch.rand(7, 9, generator=torch.Generator().manual_seed(2)) < 0.3
    positives[3] = False  # an anchor without a positive does not count
    expected = _contrast_by_hand(anchors, others, positives, 0.5)
    assert float(contrast(anchors, others, positives, 0.5)) == pytest.approx(expected, rel=1e-5)


def test_contrast_of_one_pair_is_zero_and_of_equal_choices_is_log_n():
    one = torch.ones(1, 3)
    assert float(contrast(one, one, torch.ones(1, 1, dtype=torch.bool), 1.0)) == 0.0
    same = torch.ones(4, 3)
    assert float(contrast(same, same, torch.eye(4, dtype=torch.bool), 0.07)) == pytest.approx(
        math.log(4), rel=1e-6
    )


def test_contrast_without_any_positive_is_zero():
    assert float(contrast(_random(2, 3), _random(4, 3), torch.zeros(2, 4, dtype=torch.bool), 1.0)) == 0.0


def test_contrast_ignores_the_order_of_anchors_and_others():
    anchors, others, positives = _random(6, 4), _random(5, 4, seed=1), _random(6, 5, seed=2) > 0
    rows, columns = torch.randperm(6), torch.randperm(5)
    shuffled = contrast(anchors[rows], others[columns], positives[rows][:, columns], 0.2)
    torch.testing.assert_close(shuffled, contrast(anchors, others, positives, 0.2))


def test_identity_loss_is_smoothed_cross_entropy_by_hand():
    logits, person = _random(3, 4), torch.tensor([0, 3, 2])
    target = 0.9 * functional.one_hot(person, 4) + 0.1 / 4
    expected = -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(identity_loss(logits, person, 0.1), expected)


def test_dense_contrast_and_its_gradients_are_contrast_both_ways():
    texts, pixels = _random(5, 8).requires_grad_(), _random(40, 8, seed=1).requires_grad_()
    own = torch.cat([torch.arange(5), torch.randint(0, 5, (35,), generator=torch.Generator().manual_seed(2))])
    positives = torch.arange(5)[:, None] == own[None]
    ours = dense_contrast(texts, pixels, own, 0.07)
    written_out = contrast(texts, pixels, positives, 0.07), contrast(pixels, texts, positives.T, 0.07)
    torch.testing.assert_close(ours, written_out)
    for loss, other in zip(ours, written_out, strict=True):
        found, expected = (
            torch.autograd.grad(one, (texts, pixels), retain_graph=True) for one in (loss, other)
        )
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_hard_triplet_equals_a_loop_over_anchors():
    features, person = _random(8, 3), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    total = 0.0
    for anchor in range(8):
        gaps = [(features[anchor] - features[other]).norm() for other in range(8)]
        farthest = max(gap for gap, who in zip(gaps, person, strict=True) if who == person[anchor])
        nearest = min(gap for gap, who in zip(gaps, person, strict=True) if who != person[anchor])
        total += max(0.0, float(farthest - nearest + 0.3))
    assert float(hard_triplet(features, person, 0.3)) == pytest.approx(total / 8, rel=1e-4)


def test_hard_triplet_refuses_a_batch_of_one_person():
    with pytest.raises(ValueError, match="at least two people"):
        hard_triplet(_random(4, 3), torch.zeros(4, dtype=torch.long), 0.3)


def test_alignment_is_two_minus_two_cosines_over_labelled_pixels():
    pixels, texts = _random(2, 3, 2, 2), _random(2, 4, 3, seed=1)
    labels = torch.tensor([[[0, 1], [2, IGNORE]], [[3, IGNORE], [0, 0]]])
    terms = [
        2 - 2 * float(functional.cosine_similarity(pixels[b, :, y, x], texts[b, labels[b, y, x]], dim=0))
        for b in range(2) for y in range(2) for x in range(2) if labels[b, y, x] != IGNORE
    ]  # fmt: skip
    assert float(alignment(pixels, texts, labels)) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_alignment_and_its_gradients_equal_unit_pixels_less_unit_texts():
    pixels, texts = _random(4, 16, 8, 4).requires_grad_(), _random(4, 5, 16, seed=1)
    labels = torch.randint(0, 5, (4, 8, 4)).masked_fill(_random(4, 8, 4) > 0.5, IGNORE)
    unit = functional.normalize(pixels, dim=1).permute(0, 2, 3, 1)[labels != IGNORE]
    picture = torch.arange(4)[:, None, None].expand_as(labels)[labels != IGNORE]
    chosen = functional.normalize(texts, dim=2)[picture, labels[labels != IGNORE]]
    written_out = (unit - chosen).square().sum(dim=1).mean()
    ours = alignment(pixels, texts, labels)
    torch.testing.assert_close(ours, written_out)
    torch.testing.assert_close(*(torch.autograd.grad(loss, pixels)[0] for loss in (ours, written_out)))


def test_alignment_does_not_see_the_length_of_features_and_is_zero_without_labels():
    pixels, texts, labels = _random(2, 3, 2, 2), _random(2, 4, 3, seed=1), torch.randint(0, 4, (2, 2, 2))
    torch.testing.assert_close(alignment(5 * pixels, texts / 7, labels), alignment(pixels, texts, labels))
    assert float(alignment(pixels, texts, torch.full((2, 2, 2), IGNORE))) == 0.0


def test_a_cell_of_exactly_zero_is_no_cliff():
    pixels = torch.zeros(1, 3, 1, 1, requires_grad=True)
    alignment(pixels, torch.ones(1, 1, 3), torch.zeros(1, 1, 1, dtype=torch.long)).backward()
    assert pixels.grad is not None
    assert 0 < float(pixels.grad.norm()) <= 2e6


def test_cells_count_as_alignment_counts_them():
    labels = torch.tensor([[[0, 1], [2, IGNORE]], [[IGNORE, IGNORE], [IGNORE, IGNORE]]])
    assert cell_weights(labels).tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]
    sure = cell_weights(labels, torch.tensor([0.0, math.log(2), 0.0, 9.0]).view(1, 2, 2).expand(2, -1, -1))
    torch.testing.assert_close(sure, torch.tensor([[0.25, 0.5, 0.25, 0], [0, 0, 0, 0]]))


def _written_out(pixels, texts, labels, error):
    """The mean of `error`(pixel, all texts of the picture, own) over labelled pixels, one by one."""
    found = [
        error(pixels[b, :, y, x], texts[b], int(labels[b, y, x]))
        for b, y, x in (labels != IGNORE).nonzero().tolist()
    ]
    return torch.stack(found).mean()


@pytest.mark.parametrize(
    ("ours", "error"),
    [
        (raw_errors, lambda pixel, texts, own: functional.mse_loss(pixel, texts[own])),
        (
            partial(class_errors, temperature=0.07),
            lambda pixel, texts, own: (
                -(functional.cosine_similarity(pixel[None], texts) / 0.07).log_softmax(0)[own]
            ),
        ),
    ],
    ids=["raw", "classes"],
)
def test_other_errors_and_their_gradients_equal_those_written_out(ours, error):
    pixels, texts = _random(2, 3, 2, 4).requires_grad_(), 3 * _random(2, 5, 3, seed=1)
    labels = torch.randint(0, 5, (2, 2, 4)).masked_fill(_random(2, 2, 4) > 0.5, IGNORE)
    losses = alignment(pixels, texts, labels, errors=ours), _written_out(pixels, texts, labels, error)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, pixels)[0] for loss in losses), rtol=1e-4, atol=1e-5
    )


def test_balanced_parts_of_a_picture_weigh_the_same_by_hand():
    label = torch.tensor([[0, 0, 0, 2, IGNORE], [1, 1, 1, 1, 1], [IGNORE] * 5])
    expected = torch.tensor([[1 / 6] * 3 + [1 / 2, 0], [1 / 5] * 5, [0] * 5])
    torch.testing.assert_close(balance_parts(label, 3), expected)
    pixels, texts = _random(3, 4, 1, 5), _random(3, 3, 4, seed=1)
    one, other = (
        2
        - 2
        * functional.cosine_similarity(pixels[picture, :, 0].T, texts[picture][label[picture].clamp(max=2)])
        for picture in (0, 1)
    )
    by_hand = ((one[:3].mean() + one[3]) / 2 + other.mean()) / 2  # the third picture has no part
    torch.testing.assert_close(alignment(pixels, texts, label[:, None], balance_parts(label, 3)), by_hand)


def test_the_dense_contrast_by_weights_is_that_of_repeated_pixels():
    texts, pixels, own = _random(2, 4), _random(3, 4, seed=1), torch.tensor([0, 1, 1])
    weighted = dense_contrast(texts, pixels, own, 0.5, torch.tensor([2.0, 1.0, 1.0]))
    plain = dense_contrast(texts, pixels, own, 0.5)
    assert weighted[0] == plain[0]  # every text counts the same already
    costs = torch.stack(
        [contrast(pixels[i : i + 1], texts, (own[i] == torch.arange(2))[None], 0.5) for i in range(3)]
    )
    torch.testing.assert_close(weighted[1], (2 * costs[0] + costs[1] + costs[2]) / 4)


def test_unlabelled_pixels_get_no_gradient():
    pixels, labels = _random(1, 3, 1, 2).requires_grad_(), torch.tensor([[[1, IGNORE]]])
    alignment(pixels, _random(1, 2, 3, seed=1), labels).backward()
    assert pixels.grad is not None
    assert pixels.grad[..., 0].abs().sum() > 0
    assert pixels.grad[..., 1].abs().sum() == 0


def test_losses_are_float32_whatever_comes_in():
    half = _random(4, 3).half()
    person = torch.tensor([0, 0, 1, 1])
    assert contrast(half, half, torch.eye(4, dtype=torch.bool), 1.0).dtype == torch.float32
    assert identity_loss(half, torch.tensor([0, 1, 2, 0]), 0.1).dtype == torch.float32
    assert hard_triplet(half, person, 0.3).dtype == torch.float32


KINDS = {
    "unit": (unit_errors, unit_errors_to_all),
    "raw": (raw_errors, raw_errors_to_all),
    "classes": (partial(class_errors, temperature=0.2), partial(class_errors_to_all, temperature=0.2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_cells_of_one_part_have_the_alignment_and_the_gradient_of_a_vote(kind):
    to_own, to_all = KINDS[kind]
    pixels, texts = _random(2, 5, 3, 2).requires_grad_(), _random(2, 4, 5, seed=1)
    labels = torch.randint(4, (2, 3, 2), generator=torch.Generator().manual_seed(2))
    labels[0, 1] = IGNORE
    shares = functional.one_hot(labels.flatten(1).clamp(max=4), 5)[..., :4].float()
    losses = alignment(pixels, texts, labels, errors=to_own), soft_alignment(pixels, texts, shares, to_all)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, pixels)[0] for loss in losses))


def test_soft_alignment_is_the_written_out_mean_over_cells_and_parts():
    pixels, texts = _random(1, 5, 2, 2), _random(1, 3, 5, seed=1)
    shares = torch.tensor([[[0.5, 0.5, 0], [0, 0, 1], [0, 0, 0], [0.2, 0.3, 0.5]]])
    total = 0.0
    for number, cell in enumerate(pixels[0].flatten(1).T):
        for part, text in enumerate(texts[0]):
            error = 2 - 2 * float(functional.cosine_similarity(cell, text, dim=0))
            total += float(shares[0, number, part]) * error
    assert float(soft_alignment(pixels, texts, shares)) == pytest.approx(total / 3, rel=1e-5)


def test_raw_soft_alignment_draws_a_cell_to_the_mean_of_its_texts():
    pixels, texts = _random(1, 5, 1, 1).requires_grad_(), _random(1, 3, 5, seed=1)
    shares = torch.tensor([[[0.2, 0.3, 0.5]]])
    (soft,) = torch.autograd.grad(soft_alignment(pixels, texts, shares, raw_errors_to_all), pixels)
    mean = (shares[0] @ texts[0])[0]
    (to_mean,) = torch.autograd.grad(functional.mse_loss(pixels[0, :, 0, 0], mean), pixels)
    torch.testing.assert_close(soft, to_mean)
