"""Runs stage 2 of the real trainer on drawn images, for the blocks that time its steps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor

from harness.perf.setting import draw_pictures
from harness.perf.timing import synchronise
from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.part_maps.labels import LIP
from pivl.data.store import Batch, Store
from pivl.fusion import make_head
from pivl.loop import Fit
from pivl.model import ReIDModel
from pivl.recipe import Recipe
from pivl.stages import BatchSource, Similarity, Texts, align_images
from pivl.towers.clip import Clip
from pivl.train import NORMALIZATIONS

PHASES = ("input", "forward", "losses", "backward", "optimiser")


@dataclass
class Watched:
    """The steps of stage 2, and the seconds that each phase of every step took."""

    fit: Fit[Tensor]
    seconds: list[Mapping[str, float]] = field(default_factory=list)

    def run(self, steps: int) -> None:
        """Runs so many steps."""
        for _, _ in zip(range(steps), self.fit, strict=False):
            pass

    def step_seconds(self) -> list[float]:
        """The seconds of every step but the first, which fills caches."""
        return [sum(one.values()) for one in self.seconds[1:]]

    def share(self, *phases: str) -> float:
        """The median share of some phases in a step."""
        return median(sum(one[name] for name in phases) / sum(one.values()) for one in self.seconds[1:])


def watch_stage_2(
    recipe: Recipe,
    clip: Clip,
    device: torch.device,
    images: int,
    people: int = 152,
    parts: int = len(LIP.parts),
) -> Watched:
    """Stage 2 of `recipe` with `images` in a batch, from `people` training people with texts of `parts` parts.

    The code that trains is the one that is timed: hooks take the time where one phase goes over into the next.
    """
    generator = torch.Generator().manual_seed(0)
    clip.vision.requires_grad_(True)
    model = ReIDModel(clip.vision, people, generator).to(device).in_quick_layout()
    head = make_head(recipe, clip.vision, generator).to(device)
    width = clip.vision.dims[2]
    texts = Texts(
        torch.randn(people, width, generator=generator).to(device),
        torch.randn(people, parts, width, generator=generator).to(device),
    )
    each = recipe.images_per_person
    store = Store.hold(draw_pictures(images // each, each, recipe.image_size, parts), device)
    spread_out = torch.arange(images // each).repeat_interleave(each) * (people // (images // each))
    marks: list[float] = []

    def mark(*_: object) -> None:
        synchronise(device)
        marks.append(time.perf_counter())

    def fetch(index: Tensor) -> Batch:
        batch = augment(
            store.gather(index), augmentation, normalization, mirror_table, draw_rows(len(index), generator)
        )
        mark()
        return Batch(batch.image, spread_out.to(device), batch.camera, batch.part_map)

    augmentation = Augmentation(recipe.flip_probability, recipe.padding, recipe.erase_probability)
    normalization, mirror_table = NORMALIZATIONS[recipe.normalization], torch.from_numpy(LIP.mirror_table())
    index = torch.arange(images)
    supply = BatchSource(lambda _: [index] * 1000, fetch)
    fit = align_images(recipe, model, head, texts, Similarity(True, 0.07), supply)
    watched = Watched(fit)
    own_terms = fit.loss_terms

    def terms(batch: Tensor) -> Mapping[str, Tensor]:
        marks.clear()
        mark()
        found = own_terms(batch)
        mark()
        return found

    def note(*_: object) -> None:
        mark()
        begins, fetched, *forward, ends, backward, updated = marks
        times = (begins, fetched, forward[-1], ends, backward, updated)
        watched.seconds.append(
            {name: end - start for name, (start, end) in zip(PHASES, pairwise(times), strict=True)}
        )

    fit.loss_terms = terms
    for module in (model.classifier_proj, head):
        module.register_forward_hook(mark)  # the later of the two ends the forward pass
    fit.optimizer.register_step_pre_hook(mark)
    fit.optimizer.register_step_post_hook(note)
    return watched
