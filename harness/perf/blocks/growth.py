"""Measures growth: time and memory of training steps as powers of identities, images and parts.

Nothing may grow faster than linearly. What does grow with the identities: the classifiers and the logits against the
texts of all people, and in stage 1 Adam, which moves the tokens of every person at every step, as CLIP-ReID's does.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor, nn

from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting
from harness.perf.stage_2 import watch_stage_2
from harness.perf.timing import alternate, exponent, held_bytes
from pivl.data.part_maps.labels import LIP
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.stages.prompt_tuning import identity_terms, part_terms
from pivl.stages.training_data import PromptData, Similarity

PEOPLE, IMAGES = 16, 64


def measure(setting: Setting) -> Block:
    """The block on the embedded towers, where the towers themselves weigh least."""
    identities = [100, 1000] if setting.quick else [100, 1000, 10_000]
    figures: list[Figure] = []
    bars: list[Bar] = []

    def series(name: str, unit: str, sizes: Sequence[int], measured: Sequence[tuple[float, float]]) -> None:
        for size, (taken, held) in zip(sizes, measured, strict=True):
            figures.append(Figure(f"{name}, {size:,} {unit}: time", 1e3 * taken, "ms"))
            figures.append(Figure(f"{name}, {size:,} {unit}: memory for the backward pass", held / 1e6, "MB"))
        for what, values, most in (
            ("time", [one for one, _ in measured], 1.1),
            ("memory", [one for _, one in measured], 1.02),
        ):
            power = exponent(sizes, values)
            bars.append(Bar(f"{name}: {what}'s exponent in {unit}", power, most, False))

    series("stage 2", "identities", identities, [_stage_2(setting, IMAGES, one) for one in identities])
    images = [16, 32] if setting.quick else [16, 32, 64, 128]
    series("stage 2", "images", images, [_stage_2(setting, one, 152) for one in images])
    series("stage 1a", "identities", identities, [_stage_1(setting, one, 0) for one in identities])
    series("stage 1b", "identities", identities, [_stage_1(setting, one, 20) for one in identities])
    parts = [5, 10, 20]
    series("stage 1b", "parts", parts, [_stage_1(setting, 152, one) for one in parts])
    notes = (
        f"Embedded towers; {IMAGES} images of {PEOPLE} people in a batch unless told otherwise.",
        "With identities grow the classifiers, the logits against all people's texts and the optimiser's share of "
        "both, and in stage 1 Adam over the tokens of all people; each linearly.",
    )  # fmt: skip
    return Block("growth", "8. Growth of cost", tuple(figures), tuple(bars), notes)


def _stage_2(setting: Setting, images: int, people: int) -> tuple[float, float]:
    """Median seconds of a step and the bytes that its graph holds."""
    watched = watch_stage_2(setting.embedded, setting.embedded_clip(), setting.device, images, people)
    watched.run(3 if setting.quick else 5)
    held = held_bytes(lambda: _total(watched.fit.loss_terms(torch.arange(images))))
    return median(watched.step_seconds()), held


def _stage_1(setting: Setting, people: int, parts: int) -> tuple[float, float]:
    """Median seconds and graph bytes of a step of stage 1b with so many parts per identity, or of stage 1a without."""
    clip, recipe, device = setting.embedded_clip(), setting.embedded, setting.device
    prompts = Prompts(clip.text, clip.vocabulary, LIP).to(device)
    generator = torch.Generator().manual_seed(0)
    width, dim = clip.text.architecture.width, clip.text.architecture.embed_dim
    tokens = nn.Parameter(draw_identity_tokens(people, recipe.identity_tokens, width, generator).to(device))
    person = (torch.arange(IMAGES) // (IMAGES // PEOPLE) * (people // PEOPLE)).to(device)
    data = PromptData(person, lambda _: [], Similarity(True, 0.07))
    if parts:
        dense = torch.randn(IMAGES, dim, 8, 4, generator=generator).to(device)
        labels = (torch.arange(32) % parts).view(8, 4).expand(IMAGES, -1, -1).to(device)
        terms = part_terms(recipe, prompts, tokens, replace(data, dense=dense, labels=labels))
    else:
        image = torch.randn(IMAGES, dim, generator=generator).to(device)
        terms = identity_terms(recipe, prompts, tokens, replace(data, image=image))
    optimizer = torch.optim.Adam([tokens])
    index = torch.arange(IMAGES)

    def step() -> None:
        optimizer.zero_grad()
        _total(terms(index)).backward()
        optimizer.step()

    (taken,) = alternate(5, device, step)
    return median(taken), held_bytes(lambda: _total(terms(index)))


def _total(terms: dict[str, Tensor] | object) -> Tensor:
    assert isinstance(terms, dict)
    return torch.stack(list(terms.values())).sum()
