"""Samplers of batches: PK sampling, and shuffling for stage 1 (method.md 1.6 and 1.9)."""

import torch
from torch import Tensor

from pivl.errors import UserError


def identity_batches(
    person: Tensor, people_per_batch: int, images_per_person: int, generator: torch.Generator
) -> list[Tensor]:
    """One epoch of batches of P people with K images each: indices int64 [P * K] on the CPU.

    CLIP-ReID's RandomIdentitySampler: every person's images are shuffled into chunks of K (someone with
    fewer than K is sampled with replacement; images beyond the last whole chunk wait for another epoch),
    and batches of P random people take a chunk each until fewer than P people have one left. The K images
    of a person lie side by side. `person` is int64 [N]. Raises UserError when it holds fewer than P people.
    """
    chunks = [_chunks(images, images_per_person, generator) for images in _images_by_person(person)]
    if len(chunks) < people_per_batch:
        raise UserError(
            f"{len(chunks)} identities cannot fill a batch of {people_per_batch}; "
            f"lower people_per_batch to {len(chunks)} or train on more identities"
        )
    batches = []
    waiting = list(range(len(chunks)))
    while len(waiting) >= people_per_batch:
        order = torch.randperm(len(waiting), generator=generator)[:people_per_batch].tolist()
        chosen = [waiting[place] for place in order]
        batches.append(torch.cat([chunks[one].pop() for one in chosen]))
        waiting = [one for one in waiting if chunks[one]]
    return batches


def shuffled_batches(
    count: int, size: int, generator: torch.Generator, keep_last: bool = True
) -> list[Tensor]:
    """One epoch over `count` pictures in random order: indices int64 [size], each picture once.

    The last batch is shorter where `size` does not divide `count`, or left out without `keep_last`. No
    batch is ever empty (CLIP-ReID's own loop makes one, and a NaN mean, whenever the size divides the
    count).
    """
    batches = list(torch.randperm(count, generator=generator).split(size)) if count else []
    if batches and len(batches[-1]) < size and not keep_last:
        batches.pop()
    return batches


def _images_by_person(person: Tensor) -> list[Tensor]:
    """Returns the images of each person, int64, people in ascending order."""
    _, counts = torch.unique(person.cpu(), return_counts=True)
    return list(torch.argsort(person.cpu(), stable=True).split(counts.tolist()))


def _chunks(images: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """One person's images in random order, in whole chunks; drawn with replacement if too few for one."""
    if len(images) < size:
        return [images[torch.randint(len(images), (size,), generator=generator)]]
    shuffled = images[torch.randperm(len(images), generator=generator)]
    return list(shuffled[: len(images) // size * size].split(size))
