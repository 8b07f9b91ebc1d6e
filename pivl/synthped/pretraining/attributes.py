"""Attributes of people in pictures, as classes: each item's kind, colours and pattern, skin, and bare arms.

All that captions know, as multi-label targets; a student's backbone is pre-trained on them, as others are on ImageNet.
What single places show of it, the colour and the kind of what is there, is a target too: a network finds it at once,
where it would look for minutes for what a whole picture's classes depend on.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures
from pivl.synthped.person.palette import COLORS, PATTERNS, SKINS
from pivl.synthped.person.wardrobe import ITEMS, KINDS, People
from pivl.synthped.pretraining.batches import LEAST_PIXELS, count_pixels
from pivl.synthped.pretraining.captions import ITEM_OF_PART

UNKNOWN = -100  # no target: what cross_entropy leaves out
BARE = ("face", "left arm", "right arm", "left leg", "right leg")  # parts where skin is seen
PATTERNED = ("upper", "dress", "coat", "pants", "jumpsuit", "scarf", "skirt")


@dataclass(frozen=True)
class Attributes:
    """The A attributes of N pictures. names: of each; classes: how many it has; target: int64 [N, A], UNKNOWN where
    the picture does not tell.
    """

    names: tuple[str, ...]
    classes: tuple[int, ...]
    target: Tensor

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        """Returns the mean cross-entropy of all that the pictures `index` [B] tell; logits [B, sum of classes]."""
        target = self.target[index]
        by_attribute = zip(logits.float().split(self.classes, 1), target.T, strict=True)
        total = sum(functional.cross_entropy(scores, told, reduction="sum") for scores, told in by_attribute)
        return total / (target != UNKNOWN).sum()

    def accuracy(self, logits: Tensor) -> dict[str, float]:
        """By attribute that any picture tells, the share of those named rightly; logits [N, sum of classes] of all."""
        named = {}
        scores = dict(zip(self.names, logits.split(self.classes, 1), strict=True))
        for name, (picture, target) in self._told().items():
            named[name] = float((scores[name][picture].argmax(dim=1) == target).float().mean())
        return named

    def log_shares(self) -> Tensor:
        """The logarithm of each class's share in its attribute, float32 [sum of classes]; half a picture at least."""
        shares = []
        for classes, target in zip(self.classes, self.target.T, strict=True):
            count = target[target != UNKNOWN].bincount(minlength=classes).float().clamp(min=0.5)
            shares.append(count / count.sum())
        return torch.cat(shares).log()

    def chance(self) -> dict[str, float]:
        """By attribute that any picture tells, the share of its commonest class among those."""
        return {
            name: float(target.bincount().max() / len(target)) for name, (_, target) in self._told().items()
        }

    def _told(self) -> dict[str, tuple[Tensor, Tensor]]:
        """By attribute the pictures that tell it, and its class in each."""
        columns = zip(self.names, self.target.T, strict=True)
        found = {name: (target != UNKNOWN).nonzero().squeeze(1) for name, target in columns}
        return {
            name: (picture, self.target[picture, place])
            for place, (name, picture) in enumerate(found.items())
            if len(picture)
        }


@dataclass(frozen=True)
class Places:
    """What a place where a part of a person is seen shows: color and kind, int64 [P, 256], by person and part id.

    UNKNOWN where that cannot be: parts that the person does not have, colours of the background, IGNORE.
    """

    color: Tensor
    kind: Tensor

    COLORS: ClassVar[int] = len(COLORS) + len(SKINS)
    KINDS: ClassVar[int] = sum(len(kinds) for kinds in KINDS.values()) + len(LIP.parts)
    CLASSES: ClassVar[int] = COLORS + KINDS

    def loss(self, logits: Tensor, part_map: Tensor, person: Tensor) -> Tensor:
        """Returns the mean cross-entropy of colours plus that of kinds, at the middle pixel of each cell.

        logits [B, CLASSES, h, w], colours first; part_map uint8 [B, H, W] of pictures of person [B], H and W multiples
        of h and w.
        """
        steps = [size // cells for size, cells in zip(part_map.shape[1:], logits.shape[2:], strict=True)]
        part = part_map[:, steps[0] // 2 :: steps[0], steps[1] // 2 :: steps[1]].long()
        who = person[:, None, None]
        color, kind = logits.float().split((self.COLORS, self.KINDS), 1)
        return functional.cross_entropy(color, self.color[who, part], ignore_index=UNKNOWN) + (
            functional.cross_entropy(kind, self.kind[who, part], ignore_index=UNKNOWN)
        )


def describe_places(people: People) -> Places:
    """Returns what the places of pictures of `people` show; a part without kinds, as a face, is one of its own."""
    color = torch.full((len(people), 256), UNKNOWN)
    kind = torch.full((len(people), 256), UNKNOWN)
    kind[:, : len(LIP.parts)] = torch.arange(len(LIP.parts))
    first = dict(zip(ITEMS, accumulate(map(len, KINDS.values()), initial=len(LIP.parts)), strict=False))
    for part, item in ITEM_OF_PART.items():
        place, column = LIP.parts.index(part), ITEMS.index(item)
        worn = torch.from_numpy(people.kind[:, column].astype(np.int64))
        colored = torch.from_numpy(people.color[:, column].astype(np.int64))
        color[:, place] = colored.where(worn > 0, UNKNOWN)
        kind[:, place] = (first[item] + worn).where(worn > 0, UNKNOWN)
    for part in BARE:
        color[:, LIP.parts.index(part)] = len(COLORS) + torch.from_numpy(people.skin.astype(np.int64))
    return Places(color, kind)


def describe_pictures(people: People, pictures: Pictures) -> Attributes:
    """Returns the attributes of pictures of `people`, whose part maps say what can be seen in each.

    An item's kind is told where it is seen, and so is its absence; a bag has no part and is always told. Raises
    ValueError without part maps.
    """
    if pictures.part_map is None:
        raise ValueError("what can be seen is read off part maps; the pictures have none")
    who, seen = pictures.person.numpy(), _seen_items(pictures.part_map)
    everyone = np.ones(len(who), bool)
    told: dict[str, tuple[int, np.ndarray, np.ndarray]] = {
        "skin": (len(SKINS), people.skin[who], everyone),
        "bare arms": (2, people.bare_arms()[who], everyone),
    }
    for column, item in enumerate(ITEMS):
        kind, pattern = people.kind[who, column], people.pattern[who, column]
        shown = seen.get(item, everyone) & (kind > 0)
        told[f"{item}: kind"] = len(KINDS[item]), kind, shown | (kind == 0)
        if item != "sunglasses":  # always black
            told[f"{item}: color"] = len(COLORS), people.color[who, column], shown
        if item in PATTERNED:
            told[f"{item}: pattern"] = len(PATTERNS), pattern, shown
            told[f"{item}: second color"] = len(COLORS), people.second[who, column], shown & (pattern > 0)
    targets = [np.where(tells, value.astype(np.int64), UNKNOWN) for _, value, tells in told.values()]
    return Attributes(
        tuple(told),
        tuple(count for count, _, _ in told.values()),
        torch.from_numpy(np.stack(targets, axis=1)),
    )


def _seen_items(part_map: Tensor) -> dict[str, np.ndarray]:
    """By item bool [N]: whether its parts cover LEAST_PIXELS of each map uint8 [N, H, W]."""
    pixels = torch.cat([count_pixels(some) for some in part_map.split(1024)]).numpy()
    seen: dict[str, np.ndarray] = {}
    for part, item in ITEM_OF_PART.items():
        seen[item] = seen.get(item, np.False_) | (pixels[:, LIP.parts.index(part)] >= LEAST_PIXELS)
    return seen
