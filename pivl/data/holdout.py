"""People held out of a training set, for choices that must be made without a look at the test people.

The split that comes of it has no test pictures at all: whoever holds it cannot look at them.
"""

import hashlib
from dataclasses import replace
from itertools import compress
from typing import NoReturn

import torch
from torch import Tensor

from pivl.data.pictures import Pictures, Split
from pivl.errors import UserError
from pivl.system.random_streams import torch_stream

SHARE, LEAST = 0.15, 20  # of the training people
PEOPLE, FAMILIES = 1, 2  # rules of drawing them: each hold out others, so that the fingerprints differ


class TestSplitTouched(Exception):
    """Something that must choose without the test people asked for their pictures: a fault in the program."""

    __test__ = False  # whatever its name begins with, pytest need not collect it


class Sealed:
    """Stands where test pictures stood: whatever is asked of it, it raises."""

    def __getattr__(self, name: str) -> NoReturn:
        raise TestSplitTouched(f"the test images are sealed, and their {name} was asked for")

    def __len__(self) -> NoReturn:
        raise TestSplitTouched("the test images are sealed, and their number was asked for")


def seal(split: Split) -> Split:
    """`split` without its test pictures: to ask anything of its query or gallery raises TestSplitTouched."""
    sealed = Sealed()
    return replace(split, query=sealed, gallery=sealed)  # type: ignore[arg-type]


def hold_out(split: Split, seed: int) -> Split:
    """15 % of the training people, at least 20, drawn by `seed`, as query and gallery; the others to train on.

    Where the data have families, whole ones are drawn until there are enough people: a held-out person must not have a
    look-alike among those trained on, as no test person has.
    All pictures of the held-out people are both, as in the embedded benchmark: the market protocol leaves a query's
    own camera out, and a query without a match under another camera is not scored. Of `split` only the training set
    is read. Raises UserError where fewer than two people would be left, or none held out has pictures by two cameras.
    """
    train = split.train
    people = int(train.person.max()) + 1
    chosen = _draw(train, max(LEAST, round(SHARE * people)), seed)
    if people - int(chosen.sum()) < 2:
        raise UserError(
            f"{split.name} has {people} training identities; {int(chosen.sum())} of them are held out by a search, which "
            "leaves too few to train on; search on a larger data set"
        )
    held = chosen[train.person]
    validation = _select(train, held)
    if not _has_match(validation):
        raise UserError(
            f"{split.name}: no training person has images by two cameras, so that none can be queried"
        )
    number = chosen.logical_not().cumsum(0) - 1  # of the people who are left, from 0 in their order
    rest = _select(train, ~held, number)
    fingerprint = held_out_fingerprint(split.fingerprint, seed, rule_of(train))
    described = split.descriptions and tuple(compress(split.descriptions, chosen.logical_not().tolist()))
    return Split(
        f"{split.name}-held-out",
        rest,
        validation,
        validation,
        split.labels,
        fingerprint,
        split.maps,
        described,
    )


def rule_of(train: Pictures) -> int:
    """Returns the rule by which `hold_out` draws from a training set: PEOPLE one by one, or FAMILIES."""
    return PEOPLE if train.family is None else FAMILIES


def _draw(train: Pictures, count: int, seed: int) -> Tensor:
    """Returns who is held out, bool [P]: whole clusters in an order drawn by `seed`, until they are `count` people."""
    cluster = torch.zeros(int(train.person.max()) + 1, dtype=torch.int64)
    cluster[train.person] = train.cluster.unique(return_inverse=True)[1]
    people = cluster.bincount()
    order = torch.randperm(len(people), generator=torch_stream(seed, "held-out people"))
    enough = int((people[order].cumsum(0) < count).sum()) + 1
    return torch.isin(cluster, order[:enough])


def held_out_fingerprint(fingerprint: str, seed: int, rule: int) -> str:
    """Returns what `hold_out` by a rule makes of the fingerprint of a data set; needs no pictures."""
    said = f"{fingerprint}/held out/{rule}/{SHARE}/{LEAST}/{seed}"
    return hashlib.sha256(said.encode()).hexdigest()[: len(fingerprint)]


def _select(pictures: Pictures, kept: Tensor, number: Tensor | None = None) -> Pictures:
    """Returns the pictures where `kept` [N] holds; people by their new `number` [P]."""
    person = pictures.person[kept]
    return Pictures(
        image=pictures.image[kept],
        person=person if number is None else number[person],
        camera=pictures.camera[kept],
        part_map=None if pictures.part_map is None else pictures.part_map[kept],
        names=tuple(name for name, keep in zip(pictures.names, kept.tolist(), strict=True) if keep),
        confidence=None if pictures.confidence is None else pictures.confidence[kept],
        family=None if pictures.family is None else pictures.family[kept],
    )


def _has_match(pictures: Pictures) -> bool:
    """Returns whether anybody was taken by two cameras."""
    pairs = torch.stack([pictures.person, pictures.camera]).unique(dim=1)
    return bool((pairs[0].bincount() > 1).any())
