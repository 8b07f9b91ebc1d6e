"""Batches of P people with K images each, and shuffled ones, against the rules of CLIP-ReID's sampler."""

import random
from collections import Counter

import pytest
import torch

from pivl.data.sampler import identity_batches, shuffled_batches
from pivl.errors import UserError

P, K = 4, 3
SIZES = [3, 7, 2, 9, 1, 12, 6, 5, 4, 3]  # images of each person: fewer than K, a multiple, a remainder
PERSON = torch.tensor([one for one, size in enumerate(SIZES) for _ in range(size)])[
    torch.randperm(sum(SIZES), generator=torch.Generator().manual_seed(0))
]


def epoch(seed: int) -> list[torch.Tensor]:
    return identity_batches(PERSON, P, K, torch.Generator().manual_seed(seed))


def batches_of_the_original(chunks: list[int], people: int, rng: random.Random) -> int:
    """How many batches the original loop makes: random.sample of those left until fewer than P are."""
    left = dict(enumerate(chunks))
    batches = 0
    while len(left) >= people:
        for one in rng.sample(sorted(left), people):
            left[one] -= 1
            if left[one] == 0:
                del left[one]
        batches += 1
    return batches


@pytest.mark.parametrize("seed", range(20))
def test_a_batch_holds_k_images_of_each_of_p_people(seed: int) -> None:
    for batch in epoch(seed):
        assert batch.dtype == torch.int64
        people = PERSON[batch].view(P, K)
        assert (people == people[:, :1]).all()
        assert len(people[:, 0].unique()) == P


@pytest.mark.parametrize("seed", range(20))
def test_images_come_once_an_epoch_except_those_of_people_with_too_few(seed: int) -> None:
    seen = Counter(torch.cat(epoch(seed)).tolist())
    for image, times in seen.items():
        assert times == 1 or SIZES[PERSON[image]] < K
    batches_of = Counter(one for batch in epoch(seed) for one in set(PERSON[batch].tolist()))
    whole_chunks = {one: max(1, size // K) for one, size in enumerate(SIZES)}
    left = {one for one in whole_chunks if batches_of[one] < whole_chunks[one]}
    assert all(batches_of[one] <= whole_chunks[one] for one in whole_chunks)
    assert len(left) < P, "the epoch ended while a whole batch was left"


def test_epochs_are_as_long_as_the_originals() -> None:
    """The length is random; its mean over 400 epochs agrees to 5 standard errors."""
    ours = torch.tensor([len(epoch(seed)) for seed in range(400)], dtype=torch.float64)
    chunks, rng = [max(1, size // K) for size in SIZES], random.Random(0)
    theirs = torch.tensor([batches_of_the_original(chunks, P, rng) for _ in range(400)], dtype=torch.float64)
    assert ours.std() > 0
    assert abs(ours.mean() - theirs.mean()) < 5 * ((ours.var() + theirs.var()) / 400).sqrt()


def test_every_image_and_every_pair_of_people_meets_in_time() -> None:
    seen, met = set(), set()
    for seed in range(200):
        for batch in epoch(seed):
            seen.update(batch.tolist())
            people = sorted(set(PERSON[batch].tolist()))
            met.update((a, b) for a in people for b in people if a < b)
    assert len(seen) == len(PERSON)
    assert len(met) == len(SIZES) * (len(SIZES) - 1) // 2


def test_the_first_batch_takes_everyone_equally_often() -> None:
    """Person i is among P of N with probability P / N = .4; 2,000 first batches, 5 standard errors."""
    times = Counter(one for seed in range(2000) for one in set(PERSON[epoch(seed)[0]].tolist()))
    for one in range(len(SIZES)):
        assert abs(times[one] / 2000 - 0.4) < 5 * (0.4 * 0.6 / 2000) ** 0.5


def test_same_generator_same_batches() -> None:
    assert all(torch.equal(a, b) for a, b in zip(epoch(3), epoch(3), strict=True))
    assert not torch.equal(epoch(3)[0], epoch(4)[0])


def test_people_need_not_be_numbered_from_zero() -> None:
    batches = identity_batches(torch.tensor([70, 5, 70, 5, 5, 70]), 2, 3, torch.Generator().manual_seed(0))
    assert len(batches) == 1
    assert sorted(batches[0].tolist()) == [0, 1, 2, 3, 4, 5]


def test_too_few_people_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(
        UserError, match=r"^2 identities cannot fill a batch of 16; lower people_per_batch to 2 or .*$"
    ):
        identity_batches(torch.tensor([0, 0, 1, 1]), 16, 4, torch.Generator())


@pytest.mark.parametrize(
    ("count", "keep_last", "sizes"),
    [
        (10, True, [4, 4, 2]),
        (10, False, [4, 4]),
        (8, True, [4, 4]),  # the count that gives the original loop an empty batch
        (8, False, [4, 4]),
        (3, True, [3]),
        (3, False, []),
        (0, True, []),
    ],
)
def test_shuffled_batches_hold_every_picture_once_and_are_never_empty(
    count: int, keep_last: bool, sizes: list[int]
) -> None:
    batches = shuffled_batches(count, 4, torch.Generator().manual_seed(0), keep_last)
    assert [len(batch) for batch in batches] == sizes
    taken = [index for batch in batches for index in batch.tolist()]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(range(count))


def test_shuffling_is_by_the_generator() -> None:
    one, same, other = (
        torch.cat(shuffled_batches(50, 8, torch.Generator().manual_seed(s))) for s in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.tolist() != list(range(50))
