"""Block 2, stage 1b: the contrast of pixels and part texts, against Eq. 7 and 8 written out one after the other."""

from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting
from harness.perf.timing import alternate, exponent, held_bytes, ratios
from pivl.losses import contrast, dense_contrast

# 64 pictures of 16 x 8 tokens, 16 people x 20 parts, RN50's joint space
PIXELS, TEXTS, WIDTH = 8192, 320, 1024
TEMPERATURE = 0.07


def measure(setting: Setting) -> Block:
    """Forward and backward to the texts; the pixels are cached and do not learn."""
    texts, pixels, own = _draw(setting.device, PIXELS)
    positives = torch.arange(TEXTS, device=setting.device)[:, None] == own[None]

    def ours() -> Tensor:
        return sum(dense_contrast(texts, pixels, own, TEMPERATURE), torch.zeros((), device=setting.device))

    def written_out() -> Tensor:
        forth = contrast(texts, pixels, positives, TEMPERATURE)
        return forth + contrast(pixels, texts, positives.T, TEMPERATURE)

    fast, slow = alternate(
        setting.repeats,
        setting.device,
        lambda: torch.autograd.grad(ours(), texts),
        lambda: torch.autograd.grad(written_out(), texts),
    )
    sizes = [PIXELS // 4, PIXELS // 2, PIXELS]
    held = [_held(setting.device, size) for size in sizes]
    one, other = (torch.autograd.grad(work(), texts)[0] for work in (ours, written_out))
    off = float((one - other).abs().max() / other.abs().max())
    grows = exponent(sizes, held)
    times = ratios(slow, fast)
    return Block(
        "dense",
        f"2. Stage 1b: {PIXELS:,} pixels, {TEXTS} part texts, {WIDTH} wide, forward and backward",
        (
            Figure.of("ours", [1e3 * one for one in fast], "ms"),
            Figure.of("both directions by themselves", [1e3 * one for one in slow], "ms"),
            Figure.of("ours against that", times, "times as fast"),
            Figure("memory held for the backward pass, ours", held_bytes(ours) / 1e6, "MB"),
            Figure("the same, both directions by themselves", held_bytes(written_out) / 1e6, "MB"),
            Figure("memory ~ pixels to the power of", grows, ""),
        ),
        (
            Bar("dense contrast against both directions, times as fast", median(times), 1.0, True),
            Bar("dense contrast, memory's exponent in pixels", grows, 1.02, False),
            Bar("dense contrast, gradients' largest relative difference", off, 1e-5, False),
        ),
        (
            "Beside the pixels one matrix of pixels x texts is held, 10 MB: there is nothing to cut into chunks.",
        ),
    )


def _draw(device: torch.device, count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    texts, pixels = (
        functional.normalize(torch.randn(rows, WIDTH, generator=generator), dim=1).to(device)
        for rows in (TEXTS, count)
    )
    own = torch.arange(count, device=device) % TEXTS
    return texts.requires_grad_(), pixels, own


def _held(device: torch.device, count: int) -> int:
    texts, pixels, own = _draw(device, count)
    return held_bytes(lambda: torch.stack(dense_contrast(texts, pixels, own, TEMPERATURE)).sum())
