"""Runs stage 2 of the real trainer on drawn images, for the blocks that time its steps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median

import torch
from torch import Tensor

from harness.perf.setting import draw_pictures
from harness.perf.timing import synchronise
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Split
from pivl.fusion import make_head
from pivl.loop import Fit
from pivl.model import ReIDModel
from pivl.recipe import Recipe
from pivl.stages.image_alignment import align_images
from pivl.stages.target_texts import Texts
from pivl.stages.training_data import Similarity, TrainingData
from pivl.towers.clip import Clip

PHASES = ("input", "forward", "losses", "backward", "optimiser")


@dataclass
class StepClock:
    """The seconds that each phase of every step took on a device, for Fit.observe."""

    device: torch.device
    seconds: list[Mapping[str, float]] = field(default_factory=list)
    _step: dict[str, float] = field(default_factory=dict)
    _last: float = 0.0

    def __call__(self, phase: str) -> None:
        """Notes the end of `phase`: "begin" starts a step, and the last of PHASES ends it."""
        synchronise(self.device)
        now = time.perf_counter()
        if phase == "begin":
            self._step = {}
        else:
            self._step[phase] = now - self._last
        self._last = now
        if phase == PHASES[-1]:
            self.seconds.append(self._step)


@dataclass
class Watched:
    """The steps of stage 2 and the clock that times their phases."""

    fit: Fit[Tensor]
    clock: StepClock

    def run(self, steps: int) -> None:
        """Runs so many steps."""
        for _, _ in zip(range(steps), self.fit, strict=False):
            pass

    def step_seconds(self) -> list[float]:
        """Returns the seconds of every step but the first, which fills caches."""
        return [sum(one.values()) for one in self.clock.seconds[1:]]

    def share(self, *phases: str) -> float:
        """Returns the median share of some phases in a step."""
        return median(sum(one[name] for name in phases) / sum(one.values()) for one in self.clock.seconds[1:])


def watch_stage_2(
    recipe: Recipe,
    clip: Clip,
    device: torch.device,
    images: int,
    people: int = 152,
    parts: int = len(LIP.parts),
) -> Watched:
    """Stage 2 of `recipe` with `images` in a batch, from `people` training people with texts of `parts` parts.

    The code that trains is the one that is timed.
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
    pictures = draw_pictures(images // each, each, recipe.image_size, parts)
    spread_out = torch.arange(images // each).repeat_interleave(each) * (people // (images // each))
    pictures = replace(pictures, person=spread_out)
    data = TrainingData.hold(recipe, Split("drawn", pictures, pictures, pictures, LIP, ""), clip, 0, device)
    supply = replace(data.for_images(), batches=lambda _: [torch.arange(images)] * 1000)
    fit = align_images(recipe, model, head, texts, Similarity(True, 0.07), supply)
    fit.observe = clock = StepClock(device)
    return Watched(fit, clock)
