"""Pixel features as points: t-SNE for the eye (Fig. 2), and numbers of the space that it was made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Labels = NDArray[np.int64]
PERPLEXITY = 30.0
NEIGHBOURS = 10


@dataclass(frozen=True)
class Flat:
    """Points on a plane [N, 2], and the Kullback-Leibler divergence that t-SNE ended with."""

    points: Points
    divergence: float


def flatten(points: Points, seed: int) -> Flat:
    """t-SNE of [N, D] from its principal components, perplexity 30 or less for few points, the rate chosen by N."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return Flat(tsne.fit_transform(points), float(tsne.kl_divergence_))


def neighbour_purity(points: Points, label: Labels, neighbours: int = NEIGHBOURS) -> NDArray[np.float64]:
    """The share of each point's nearest others, by cosine, that have its label: [N], in [0, 1]."""
    from sklearn.neighbors import NearestNeighbors

    found = (
        NearestNeighbors(n_neighbors=neighbours, metric="cosine")
        .fit(points)
        .kneighbors(return_distance=False)
    )
    share: NDArray[np.float64] = (label[found] == label[:, None]).mean(axis=1)
    return share


def silhouettes(points: Points, label: Labels) -> NDArray[np.float64]:
    """The silhouette of each point by cosine [N], in [-1, 1]; ValueError for a single label."""
    from sklearn.metrics import silhouette_samples

    found: NDArray[np.float64] = silhouette_samples(points, label, metric="cosine")
    return found


def trust(points: Points, flat: Points, neighbours: int = NEIGHBOURS) -> float:
    """The trustworthiness of a plane's neighbourhoods (Venna and Kaski 2001), by cosine, in [0, 1]."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(points, flat, n_neighbors=neighbours, metric="cosine"))
