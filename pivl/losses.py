"""The losses of CLIP-ReID and PI-VL as pure functions (Eq. 2-4, 7-8, 11): tensors in, a float32 scalar out."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE

LEAST_LENGTH = (
    1e-6  # of a cell in `alignment`: one of exactly 0 has no direction, and at 1e-12 had a gradient of 1e12
)


def contrast(anchors: Tensor, others: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Contrastive loss with several positives: one direction of Eq. 2 (people) or of Eq. 7-8 (people and parts).

    anchors [N, D], others [M, D], positives bool [N, M]. Per anchor, minus the mean over its positives of the
    log-softmax over all others of the dot products divided by `temperature`; then the mean over anchors. An anchor
    without a positive does not count; positives stay in the denominator (CLIP-ReID, supcontrast.py). Range [0, inf).
    """
    log_share = (anchors.float() @ others.float().T / temperature).log_softmax(dim=1)
    counts = positives.sum(dim=1)
    per_anchor = -(log_share * positives).sum(dim=1) / counts.clamp(min=1)
    return per_anchor.sum() / (counts > 0).sum().clamp(min=1)


def dense_contrast(
    texts: Tensor, pixels: Tensor, own: Tensor, temperature: float, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`contrast` of texts and pixels and of pixels and texts (Eq. 7-8), where every pixel has one text of its own.

    texts [M, D], pixels [N, D]; own int64 [N] names each pixel's text, and every text has a pixel. The second loss is the
    mean over pixels, by `weights` [N] if there are some; the first counts every text the same. One product serves both
    directions, and of its N x M numbers only each pixel's own is picked out: no mask and no log-softmax as large.
    """
    scores = texts.float() @ pixels.float().T / temperature
    right = scores.gather(0, own[None])[0]
    counts = own.bincount(minlength=len(texts))
    mean = torch.zeros_like(scores[:, 0]).index_add(0, own, right) / counts
    to_text = scores.logsumexp(dim=0) - right
    weighted = to_text.mean() if weights is None else (to_text * weights).sum() / weights.sum()
    return (scores.logsumexp(dim=1) - mean).mean(), weighted


def identity_loss(logits: Tensor, person: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy over people with label smoothing: logits [B, P], person [B] in 0..P-1 (Eq. 3-4).

    Also the image-to-text loss, whose logits are similarities to the texts of all people.
    """
    return functional.cross_entropy(logits.float(), person, label_smoothing=smoothing)


def hard_triplet(features: Tensor, person: Tensor, margin: float) -> Tensor:
    """Batch-hard triplet loss on Euclidean distances of un-normalised features [B, D] (Eq. 4; Hermans et al.).

    Hinge with `margin` on the farthest image of the same person and the nearest of another, mean over the batch.
    Raises ValueError for a batch of one person, which has no negative.
    """
    features = features.float()
    squares = features.square().sum(dim=1)
    distance = (squares[:, None] + squares[None] - 2 * features @ features.T).clamp(min=1e-12).sqrt()
    same = person[:, None] == person[None]
    if bool(same.all()):
        raise ValueError("hard_triplet needs at least two people in a batch")
    hardest_positive = distance.masked_fill(~same, -torch.inf).amax(dim=1)
    hardest_negative = distance.masked_fill(same, torch.inf).amin(dim=1)
    return (hardest_positive - hardest_negative + margin).clamp(min=0).mean()


CellErrors = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From cells [B, N, D], the texts [B, K, D] of their person and the number of each cell's own to its error [B, N]."""


def unit_errors(cells: Tensor, texts: Tensor, own: Tensor) -> Tensor:
    """The squared distance of cells and texts of unit length, 2 - 2 cos: it means the same at any width. In [0, 4]."""
    return 2 - 2 * cast(Tensor, _OwnCosine.apply(cells, functional.normalize(texts, dim=2), own))


def raw_errors(cells: Tensor, texts: Tensor, own: Tensor) -> Tensor:
    """The squared error of cells and texts as they are, the mean over channels, as MSE is usually read. In [0, inf)."""
    product = (cells @ texts.transpose(1, 2)).gather(2, own[..., None]).squeeze(2)
    distance = cells.square().sum(2) - 2 * product + texts.square().sum(2).gather(1, own)
    return distance / cells.shape[2]


def class_errors(cells: Tensor, texts: Tensor, own: Tensor, temperature: float) -> Tensor:
    """The cross-entropy of naming a cell's own among the K texts by cosine over `temperature`. In [0, inf)."""
    cosines = functional.normalize(cells, dim=2) @ functional.normalize(texts, dim=2).transpose(1, 2)
    return functional.cross_entropy((cosines / temperature).transpose(1, 2), own, reduction="none")


TextErrors = Callable[[Tensor, Tensor], Tensor]
"""From cells [B, N, D] and the texts [B, K, D] of their person to the error of each cell to each text [B, N, K]."""


def unit_errors_to_all(cells: Tensor, texts: Tensor) -> Tensor:
    """The errors of `unit_errors` to all texts. In [0, 4]."""
    units = functional.normalize(cells, dim=2, eps=LEAST_LENGTH)
    return 2 - 2 * units @ functional.normalize(texts, dim=2).transpose(1, 2)


def raw_errors_to_all(cells: Tensor, texts: Tensor) -> Tensor:
    """The errors of `raw_errors` to all texts. In [0, inf)."""
    distance = cells.square().sum(2)[..., None] - 2 * cells @ texts.transpose(1, 2)
    return (distance + texts.square().sum(2)[:, None]) / cells.shape[2]


def class_errors_to_all(cells: Tensor, texts: Tensor, temperature: float) -> Tensor:
    """The errors of `class_errors` to all texts. In [0, inf)."""
    cosines = functional.normalize(cells, dim=2) @ functional.normalize(texts, dim=2).transpose(1, 2)
    return -(cosines / temperature).log_softmax(dim=2)


def soft_alignment(
    pixels: Tensor, texts: Tensor, shares: Tensor, errors: TextErrors = unit_errors_to_all
) -> Tensor:
    """The mean error between pixel features and all texts of their person, by the shares of parts (Eq. 11).

    pixels [B, D, h, w]; texts [B, K, D]; shares [B, h * w, K]: the weight of each cell, divided among its parts. Equals
    `alignment` where every cell is of one part; raw errors are, but for a constant, those to the mean of its texts.
    Gradients flow to the pixels alone.
    """
    cells = pixels.float().permute(0, 2, 3, 1).flatten(1, 2)
    return (errors(cells, texts.float().detach()) * shares).sum() / shares.sum().clamp(min=1)


def alignment(
    pixels: Tensor, texts: Tensor, labels: Tensor, weights: Tensor | None = None,
    errors: CellErrors = unit_errors,
) -> Tensor:  # fmt: skip
    """The mean error between pixel features and their texts (Eq. 11).

    pixels [B, D, h, w]; texts [B, K, D] of each picture's person; labels int64 [B, h, w] name each pixel's text, and
    IGNORE leaves it out. The mean is by `weights` [B, h * w] (`cell_weights`, `balance_parts`), None for all alike.
    Without any pixel that counts the loss is 0.

    Gradients flow to the pixels alone; the texts are what stage 1 has left.
    """
    cells, label = pixels.float().permute(0, 2, 3, 1).flatten(1, 2), labels.flatten(1)
    if weights is None:
        weights = cell_weights(labels)
    error = errors(cells, texts.float().detach(), label.masked_fill(label == IGNORE, 0))
    return (error * weights).sum() / weights.sum().clamp(min=1)


def cell_weights(labels: Tensor, confidence: Tensor | None = None) -> Tensor:
    """Returns how much `alignment` counts each cell of [B, h, w]: float32 [B, h*w], 0 where IGNORE.

    1 or, with `confidence` [B, h, w], its softmax over the cells of a picture that count (version 2, Eq. 8).
    """
    labelled = labels.flatten(1) != IGNORE
    if confidence is None:
        return labelled.float()
    share = confidence.float().flatten(1).masked_fill(~labelled, -torch.inf).softmax(dim=1)
    return torch.where(labelled, share, 0.0)  # a picture without such cells has no softmax


def balance_parts(label: Tensor, parts: int) -> Tensor:
    """Weights of cells float32 [B, N] by their part, int64 [B, N]: those of a picture add up to 1, or are all IGNORE's 0.

    Each part that a picture shows has the same sum.
    """
    slot = label.masked_fill(label == IGNORE, parts)
    ones = torch.ones_like(slot, dtype=torch.float32)
    counts = ones.new_zeros(len(label), parts + 1).scatter_add_(1, slot, ones)
    shown = (counts[:, :parts] > 0).sum(1, keepdim=True)
    return (1 / (counts * shown)).gather(1, slot).masked_fill(slot == parts, 0)


class _OwnCosine(torch.autograd.Function):
    """The cosine of each cell [B, N, D] with its own, by int64 [B, N], of the unit texts [B, K, D]: [B, N].

    Every cell meets all K texts in one matrix product and keeps one number: no unit cells and no text per cell are made,
    which would each be as large as the map, and a step costs the same however many people there are. The gradient of
    a cell x with text t, (t - cos x/|x|) / |x|, takes one such tensor, where torch's own steps back take four.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, texts: Tensor, own: Tensor) -> Tensor:
        product = (cells @ texts.transpose(1, 2)).gather(2, own[..., None]).squeeze(2)
        length = torch.linalg.vector_norm(cells, dim=2).clamp(min=LEAST_LENGTH)
        cosine = product / length
        ctx.save_for_backward(cells, texts, own, length, cosine)
        return cosine

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cells, texts, own, length, cosine = ctx.saved_tensors
        slope = grad / length
        chosen = slope.new_zeros(*own.shape, texts.shape[1]).scatter_(2, own[..., None], slope[..., None])
        return (cells * (-slope * cosine / length)[..., None]).baddbmm_(chosen, texts), None, None
