"""Consistency of pixel features within a body part: the paper's Fig. 2 as numbers.

Two views of the same pixels: which part's text is nearest, and how much closer a pixel lies to pixels of its
own part than to those of other parts, among all pixels and among those of other people (where an image cannot
agree with itself).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pivl.errors import UserError
from pivl.evaluation.confusion import Confusion, Pairs


@dataclass(frozen=True)
class PixelBatch:
    """Features float [B, D, h, w] in the texts' space, the class of each cell int64 [B, h, w], person [B]."""

    feature: Tensor
    part: Tensor
    person: Tensor


@dataclass(frozen=True)
class Consistency:
    """The measurements on C classes, on the CPU; a class that was ignored or never seen has zeros and NaN.

    nearest: int64 [C, C], the pixels of part i whose nearest text is that of part j. nearest_aligned: the same among the
    texts that the row was aligned with, or None.
    same_part, other_part: float64 [C], the mean cosine of a pixel of part i with the other pixels of part i,
    and with the pixels of other parts.
    same_part_across, other_part_across: the same with pixels of other people only.
    """

    nearest: Tensor
    same_part: Tensor
    other_part: Tensor
    same_part_across: Tensor
    other_part_across: Tensor
    nearest_aligned: Tensor | None = None

    def part_accuracy(self, merged: Pairs = ()) -> float:
        """Returns the share of pixels whose nearest text is their own part's, in [0, 1].

        Classes paired in `merged` count as one: CLIP's texts hardly tell left from right
        (LabelSet.flip_pairs).
        """
        return Confusion(self.nearest).merged(merged).accuracy

    def majority_share(self, merged: Pairs = ()) -> float:
        """Returns the part accuracy of answering the commonest part everywhere: what part_accuracy must beat."""
        return Confusion(self.nearest).merged(merged).majority

    @property
    def margin(self) -> float:
        """Mean over pixels of same_part - other_part, in [-2, 2]; 0 where features know nothing of parts."""
        return self._over_pixels(self.same_part - self.other_part)

    @property
    def margin_across(self) -> float:
        """`margin` between pixels of different people; NaN if there is one person only."""
        return self._over_pixels(self.same_part_across - self.other_part_across)

    def _over_pixels(self, of_part: Tensor) -> float:
        """Returns the mean over pixels of a value of their part, parts without a value left out."""
        pixels = self.nearest.sum(1).double() * of_part.isfinite()
        return float((of_part.nan_to_num() * pixels).sum() / pixels.sum())


class ConsistencyMeter:
    """Measures pixel features against part texts [C, D] and each other, batch by batch, linear in the pixels.

    `aligned` [C, D]: the part texts that the row was aligned with, where there are some. Lengths of features and texts do
    not matter. Pixels of the `ignored` classes (background unless told), of IGNORE and of any id beyond C are left out,
    and so are the ignored texts. Memory: people * C * D float64.

    The cosines come from sums of unit vectors: with S_pc the sum over the n_pc pixels of person p and part c,
    T_c = sum_p S_pc, the pairs within c have the summed cosine |T_c|^2 - n_c, of which |S_pc|^2 - n_pc are of
    one person; other parts likewise. A pixel is divided by its length where it is added up, and the nearest text
    does not depend on it, so no map of unit vectors is made.
    """

    def __init__(
        self, part_text: Tensor, ignored: tuple[int, ...] = (0,), aligned: Tensor | None = None
    ) -> None:
        self._texts = [F.normalize(text.float(), dim=1) for text in (part_text, aligned) if text is not None]
        counted = torch.ones(len(part_text), dtype=torch.bool)
        counted[list(ignored)] = False
        self._counted = counted.to(part_text.device)
        nothing = torch.zeros(len(part_text), len(part_text), dtype=torch.int64)
        self._nearest = [Confusion(nothing) for _ in self._texts]
        self._sums: dict[int, Tensor] = {}
        self._counts: dict[int, Tensor] = {}

    def add(self, batch: PixelBatch) -> None:
        """Take the pixels of a batch."""
        classes = len(self._counted)
        cells = batch.feature.float().permute(0, 2, 3, 1).flatten(1, 2)  # [B, cells, D]
        part = batch.part.flatten(1).long()
        member = (part[:, :, None] == torch.arange(classes, device=part.device)) & self._counted
        kept = member.any(2)
        for place, text in enumerate(self._texts):
            answer = (cells @ text.T).masked_fill(~self._counted, -torch.inf).argmax(2)
            self._nearest[place] += Confusion.of(part[kept], answer[kept], classes)
        shares = member / torch.linalg.vector_norm(cells, dim=2, keepdim=True).clamp(min=1e-12)
        image_sums = (shares.transpose(1, 2) @ cells).cpu().double()  # [B, C, D]
        image_counts = member.sum(1).cpu().double()
        for person, one_sum, count in zip(batch.person.tolist(), image_sums, image_counts, strict=True):
            self._sums[person] = self._sums.get(person, 0) + one_sum
            self._counts[person] = self._counts.get(person, 0) + count

    def result(self) -> Consistency:
        """Returns what was measured so far. Raises UserError when no labelled pixel was among it."""
        nearest = [found.counts for found in self._nearest]
        if not nearest[0].any():
            raise UserError("no labelled pixel of a body part to measure; check the part maps")
        sums, counts = torch.stack([*self._sums.values()]), torch.stack([*self._counts.values()])
        return Consistency(nearest[0], *_mean_cosines(sums, counts), *nearest[1:])


def _mean_cosines(sums: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the four cosines of Consistency from sums of unit vectors [P, C, D] and their counts [P, C], float64."""
    total, pixels = sums.sum(0), counts.sum(0)
    same = (total**2).sum(1)  # over ordered pairs, a pixel with itself among them
    other = total @ total.sum(0) - same
    same_pairs, other_pairs = pixels**2, pixels * (pixels.sum() - pixels)

    same_within = (sums**2).sum((0, 2))  # the same over pairs of one person
    other_within = torch.einsum("pcd,pd->c", sums, sums.sum(1)) - same_within
    same_pairs_within = (counts**2).sum(0)
    other_pairs_within = (counts * counts.sum(1, keepdim=True)).sum(0) - same_pairs_within
    return (
        _mean(same - pixels, same_pairs - pixels),
        _mean(other, other_pairs),
        _mean(same - same_within, same_pairs - same_pairs_within),
        _mean(other - other_within, other_pairs - other_pairs_within),
    )


def _mean(total: Tensor, count: Tensor) -> Tensor:
    """total / count, NaN where there is nothing to average (rounding would make it infinite)."""
    return torch.where(count > 0, total / count, torch.nan)
