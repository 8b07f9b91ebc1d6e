"""The fit of texts against a loop over pictures, and how far texts moved."""

import math

import pytest
import torch

from pivl.evaluation.text_fit import TextFit, mean_cosine
from pivl.stages.training_data import Similarity

DOT, COSINE = Similarity(False, 1.0), Similarity(True, 0.1)


def drawn():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(9, 5, generator=generator), torch.arange(9) % 4, torch.randn(4, 5, generator=generator)


@pytest.mark.parametrize("compared", [DOT, COSINE])
def test_top1_and_cross_entropy_equal_a_loop_over_pictures(compared):
    image, person, texts = drawn()
    right, entropy = 0, 0.0
    for one, who in zip(image, person, strict=True):
        scores = [float(one @ text) for text in texts]
        if compared.normalized:
            scores = [
                s / float(one.norm() * text.norm()) / 0.1 for s, text in zip(scores, texts, strict=True)
            ]
        right += scores.index(max(scores)) == int(who)
        entropy += math.log(sum(math.exp(s) for s in scores)) - scores[int(who)]
    fit = TextFit.of(image, person, texts, compared)
    assert fit.top1 == pytest.approx(right / 9)
    assert fit.cross_entropy == pytest.approx(entropy / 9, rel=1e-5)
    assert fit.length == pytest.approx(sum(float(text.norm()) for text in texts) / 4, rel=1e-5)


def test_the_length_of_texts_matters_to_dot_products_only():
    image, person, texts = drawn()
    longer = texts * torch.tensor([[9.0], [1.0], [1.0], [1.0]])
    assert TextFit.of(image, person, longer, COSINE).top1 == TextFit.of(image, person, texts, COSINE).top1
    assert (
        TextFit.of(image, person, longer, DOT).cross_entropy
        != TextFit.of(image, person, texts, DOT).cross_entropy
    )


def test_texts_that_stay_or_grow_have_not_moved_and_opposite_ones_have():
    texts = drawn()[2]
    assert mean_cosine(texts, 3 * texts) == pytest.approx(1)
    assert mean_cosine(texts, -texts) == pytest.approx(-1)
