"""The training pictures of a stage: batches, labels of cells, and features of the frozen CLIP (method.md 1.6, 1.9)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.confidence import cell_confidence
from pivl.data.part_maps.labels import IGNORE
from pivl.data.part_maps.voting import BACKGROUND, Patches, pool_weights, vote
from pivl.data.pictures import Split
from pivl.data.sampler import identity_batches, shuffled_batches
from pivl.data.store import Batch, Store
from pivl.loop import autocast
from pivl.losses import balance_parts, cell_weights
from pivl.recipe import Recipe, Stage
from pivl.system.data_parallel import share
from pivl.system.random_streams import Streams
from pivl.towers.clip import Clip, ImageTower
from pivl.towers.student import Tower

Batches = Callable[[int], Sequence[Tensor]]  # from the epoch to its batches of picture indices
CHUNK = 256  # pictures at a time, where the frozen tower sees all
KEPT = (
    2**26
)  # bytes of training pictures, decoded: of so few the process keeps the frozen features for the next stage
Described = Literal["proj", "tokens"]


@dataclass(frozen=True)
class Similarity:
    """The comparison of image and text features: by raw dot products, or by cosines times CLIP's own scale."""

    normalized: bool
    temperature: float

    def prepare(self, features: Tensor) -> Tensor:
        """Returns features [N, D] in float32, of unit length where cosines are compared."""
        return functional.normalize(features.float(), dim=-1) if self.normalized else features.float()


@dataclass(frozen=True)
class PromptData:
    """The data of stage 1: N training pictures of `person` int64 [N], as the frozen CLIP describes them.

    image [N, D]: features that texts of people are compared with; None where stage 1b runs alone. dense [N, D, h, w] and
    labels [N, h, w], the part of each cell: what texts of parts are compared with; None in stage 1a.
    """

    person: Tensor
    batches: Batches
    similarity: Similarity
    image: Tensor | None = None
    dense: Tensor | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class BatchSource:
    """The data of stage 2: the batches of each epoch, and how this rank's share of one is fetched."""

    batches: Batches
    fetch: Callable[[Tensor], Batch]


@dataclass(frozen=True)
class TrainingData:
    """The training pictures of one stage of a run, held on a device; `streams` draw its batches and augmentation.

    `clip` is frozen: its features of all pictures are computed once for stage 1.
    """

    recipe: Recipe
    split: Split
    clip: Clip
    store: Store
    streams: Streams

    @classmethod
    def hold(
        cls, recipe: Recipe, split: Split, clip: Clip, seed: int, device: torch.device
    ) -> "TrainingData":
        """Returns the data of a stage that draws from the streams of `seed`, its pictures moved to `device`."""
        return cls(recipe, split, clip, Store.hold(split.train, device), Streams(seed))

    def for_prompts(self, stage: Stage) -> PromptData:
        """Returns what stage 1a, 1b or, in a joint or anchored schedule, both in one tune prompts against."""
        by_people = stage == "identity-prompts" or self.recipe.part_schedule != "after"
        image = self._describe("proj") if by_people else None
        data = PromptData(
            self.store.person, self._prompt_batches(stage), similarity(self.recipe, self.clip), image
        )
        if stage == "identity-prompts":
            return data
        dense = self._describe("tokens")
        parts = len(self.split.labels.parts)
        labels = cell_labels(self.recipe, self.clip.vision, self.store.part_map, dense.shape[-2:], parts)
        return PromptData(data.person, data.batches, data.similarity, image, dense, labels)

    def mean_features(self) -> Tensor:
        """Returns the mean of the frozen tower's features, in the space of texts, over each person's pictures: [P, D]."""
        image, person = self._describe("proj").float(), self.store.person
        total = image.new_zeros(int(person.max()) + 1, image.shape[1]).index_add_(0, person, image)
        return total / person.bincount()[:, None]

    def for_images(self) -> BatchSource:
        """Returns the augmented batches of stage 2."""
        recipe = self.recipe
        batches = self._identity_batches("image-batches", recipe.people_per_batch)
        generator = self.streams.open("augmentation")
        augmentation = Augmentation(
            recipe.flip_probability, recipe.padding, recipe.erase_probability,
            erase_labels=recipe.erased_labels == "ignore",
        )  # fmt: skip
        normalization = NORMALIZATIONS[recipe.normalization_of("image-tower")]
        mirror_table = torch.from_numpy(self.split.labels.mirror_table())

        def fetch(index: Tensor) -> Batch:
            draws = share(draw_rows(len(index), generator))
            stored = self.store.gather(share(index))
            return augment(stored, augmentation, normalization, mirror_table, draws)

        return BatchSource(batches, fetch)

    def _prompt_batches(self, stage: Stage) -> Batches:
        recipe = self.recipe
        if recipe.draws_people(stage):
            return self._identity_batches(stage, recipe.prompt_batch // recipe.images_per_person)
        count, stream = len(self.split.train), self.streams.open(stage)
        return lambda _: shuffled_batches(count, recipe.prompt_batch, self.streams.mark(stream))

    def _identity_batches(self, stream: str, people: int) -> Batches:
        person, images, drawn = (
            self.split.train.person,
            self.recipe.images_per_person,
            self.streams.open(stream),
        )
        return lambda _: identity_batches(person, people, images, self.streams.mark(drawn))

    def _describe(self, what: Described) -> Tensor:
        """Returns `what` the frozen tower makes of all training pictures, not augmented; see `describe_frozen`."""
        vision, recipe = self.clip.vision.to(self.store.person.device).eval(), self.recipe
        image = self.store.image
        as_they_are = image._version, *(one._version for one in vision.state_dict(keep_vars=True).values())
        small = image.device.type == "cpu" and image.numel() <= KEPT
        describe = _describe_once if small else describe_frozen
        return describe(vision, image, what, recipe.normalization, recipe.precision, as_they_are)


@torch.no_grad()
def describe_frozen(
    vision: ImageTower, image: Tensor, what: Described, normalization: str, precision: str,
    as_they_are: tuple[int, ...] = (),
) -> Tensor:  # fmt: skip
    """Returns `what` a frozen tower makes of uint8 image [N, 3, H, W], not augmented: proj [N, D] or tokens [N, D, h, w].

    `as_they_are`: the versions of picture and weights, by which what was kept is known to be still true.
    """
    cached: Tensor | None = None
    for index in torch.arange(len(image)).split(CHUNK):
        some = image.index_select(0, index.to(image.device))
        with autocast(image.device, precision):
            seen: Tensor = getattr(vision(NORMALIZATIONS[normalization].normalize(some)), what)
        if cached is None:  # filled in place: gathering the chunks at the end would need twice the memory
            cached = seen.new_empty(len(image), *seen.shape[1:])
        cached[index.to(cached.device)] = seen
    assert cached is not None
    return cached


_describe_once = lru_cache(maxsize=2)(describe_frozen)  # the stages of all seeds ask for the same


def similarity(recipe: Recipe, clip: Clip) -> Similarity:
    """Returns how images and texts are compared: as the recipe says, with the scale of this CLIP."""
    if recipe.similarity == "dot":
        return Similarity(False, 1.0)
    return Similarity(True, 1 / math.exp(clip.logit_scale))


def cell_labels(
    recipe: Recipe, tower: Tower, part_map: Tensor | None, grid: Sequence[int], parts: int
) -> Tensor:
    """Returns the part of every cell of `grid`, int64 [B, h, w], by the recipe's vote; IGNORE where no text applies.

    A ViT's own tokens are windows of its patch, which may overlap; every other grid parts the image evenly.
    Raises ValueError without part maps, which alignment and part prompts need.
    """
    if part_map is None:
        raise ValueError("part texts need part maps; the data set has none")
    labels = vote(part_map, (grid[0], grid[1]), parts, recipe.label_vote, _windows(tower, grid))
    return labels.masked_fill(labels == BACKGROUND, IGNORE) if recipe.background == "ignore" else labels


def aim_cells(
    recipe: Recipe, tower: Tower, batch: Batch, grid: Sequence[int], parts: int
) -> tuple[Tensor, Tensor]:
    """Returns the part of every cell, as `cell_labels`, and how much stage 2 counts it: float32 [B, h*w].

    For targets by shares this is float32 [B, h*w, parts]: the same, divided among the parts of the cell by their pixels.
    """
    labels = cell_labels(recipe, tower, batch.part_map, grid, parts)
    weights = weigh_cells(recipe, labels, batch.confidence, parts)
    if recipe.cell_targets == "vote":
        return labels, weights
    assert batch.part_map is not None
    pixels = pool_weights(batch.part_map, (grid[0], grid[1]), parts, _windows(tower, grid)).flatten(2)
    if recipe.background == "ignore":
        pixels[:, BACKGROUND] = 0
    return labels, (weights[:, None] * functional.normalize(pixels, p=1, dim=1)).transpose(1, 2)


def _windows(tower: Tower, grid: Sequence[int]) -> Patches | None:
    """The windows of the tower's own tokens where they overlap; None for a grid that parts the image evenly."""
    overlapping = tower.overlapping_patches(tuple(grid))
    return Patches(*overlapping) if overlapping else None


def evenly_spaced(count: int, most: int) -> Tensor:
    """Returns at most `most` of `count` indices, evenly spaced, int64."""
    taken = min(count, most)
    return torch.arange(taken) * count // max(1, taken)


def weigh_cells(recipe: Recipe, labels: Tensor, confidence: Tensor | None, parts: int) -> Tensor:
    """Returns how much stage 2 counts each cell of labels [B, h, w]: float32 [B, h*w], 0 where IGNORE.

    `confidence` uint8 [B, H, W]: of the part maps, ValueError where a recipe wants it and there is none.
    """
    if recipe.align_pixels == "confidence":
        return cell_weights(labels, cell_confidence(confidence, labels.shape[1:]))
    return (
        balance_parts(labels.flatten(1), parts) if recipe.background == "balanced" else cell_weights(labels)
    )
