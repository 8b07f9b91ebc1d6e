"""A k-nearest-neighbour probe of parts across people: whether dense features tell parts without the help of any text.

Weighted votes as in DINO (Caron et al. 2021, App. F.1): a neighbour counts exp(cosine / 0.07).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE
from pivl.evaluation.confusion import Confusion, Pairs, group_of

NEIGHBOURS, TEMPERATURE = 10, 0.07
PICTURES = (
    256  # of which the probe takes a cell for each part: 2,000 cells, whose cosines take a tenth of a second
)


def classify_by_neighbours(
    feature: Tensor, part: Tensor, person: Tensor, classes: int, neighbours: int = NEIGHBOURS
) -> Confusion:
    """Returns what the `neighbours` nearest of N cells of other people take each cell for.

    feature [N, D] of any length; part int64 [N] below `classes`, person int64 [N]. Nearest is by cosine; the part with
    the greatest sum of exp(cosine / TEMPERATURE) is the answer. Without cells of other people there is none.
    """
    unit = functional.normalize(feature.float(), dim=1)
    own = person[:, None] == person
    cosine, place = (unit @ unit.T).masked_fill(own, -torch.inf).topk(min(neighbours, len(part)), dim=1)
    votes = torch.zeros(len(part), classes, device=feature.device)
    votes.scatter_add_(1, part[place], (cosine / TEMPERATURE).exp())
    others = ~own.all(1)
    return Confusion.of(part[others], votes.argmax(1)[others], classes)


@dataclass
class PartProbe:
    """Takes the middle cell of every part from pictures, batch by batch, and probes them; background is no part."""

    classes: int
    merged: Pairs
    _cells: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def add(self, feature: Tensor, part: Tensor, person: Tensor) -> None:
        """Takes the cells of pictures: feature [B, D, h, w], part int64 [B, h, w], person int64 [B]."""
        label = part.flatten(1)
        group = group_of(self.classes, self.merged).to(part.device)
        label = torch.where(label < self.classes, group[label.clamp(max=self.classes - 1)], IGNORE)
        member = (
            label[:, None] == torch.arange(1, self.classes, device=part.device)[:, None]
        )  # [B, C - 1, cells]
        middle = (member.sum(2, keepdim=True) + 1) // 2
        picture, kind, cell = (member & (member.cumsum(2) == middle)).nonzero(as_tuple=True)
        self._cells.append((feature.flatten(2)[picture, :, cell].float(), kind + 1, person[picture]))

    def result(self) -> Confusion:
        """Returns what the cells so far are taken for."""
        feature, part, person = (torch.cat(some) for some in zip(*self._cells, strict=True))
        return classify_by_neighbours(feature, part, person, self.classes)
