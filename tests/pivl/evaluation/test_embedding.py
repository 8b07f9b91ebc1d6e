"""Numbers of pixel features: against scikit-learn directly and against loops."""

import numpy as np
import pytest
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import silhouette_score

from pivl.evaluation.embedding import flatten, neighbour_purity, silhouettes, trust

DRAWN = np.random.default_rng(0)
LABEL = np.repeat([0, 1, 2], 14)
POINTS = (DRAWN.normal(size=(3, 8))[LABEL] + 0.7 * DRAWN.normal(size=(42, 8))).astype(np.float32)


def test_purity_is_that_of_a_loop_over_cosines():
    unit = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    for one, share in enumerate(neighbour_purity(POINTS, LABEL, 5)):
        cosine = unit @ unit[one]
        cosine[one] = -2
        nearest = np.argsort(-cosine)[:5]
        assert share == pytest.approx(np.mean(LABEL[nearest] == LABEL[one]))


def test_the_length_of_features_does_not_matter():
    longer = POINTS * DRAWN.uniform(0.5, 2, (42, 1)).astype(np.float32)
    assert neighbour_purity(longer, LABEL) == pytest.approx(neighbour_purity(POINTS, LABEL))
    assert silhouettes(longer, LABEL) == pytest.approx(silhouettes(POINTS, LABEL), abs=1e-5)


def test_numbers_are_those_of_scikit_learn():
    flat = flatten(POINTS, 3)
    again = TSNE(2, perplexity=41 / 3, init="pca", learning_rate="auto", random_state=3).fit(POINTS)
    assert flat.points == pytest.approx(again.embedding_, abs=1e-3)
    assert flat.divergence == pytest.approx(again.kl_divergence_, abs=1e-4)
    assert silhouettes(POINTS, LABEL).mean() == pytest.approx(
        silhouette_score(POINTS, LABEL, metric="cosine")
    )
    expected = trustworthiness(POINTS, flat.points, n_neighbors=10, metric="cosine")
    assert trust(POINTS, flat.points) == pytest.approx(expected)
