"""The cost of the deployed descriptor at test time: parameters, multiplications and measured speed (Sec. 3.4, Table 5).

Counted on `ReIDModel.embed` itself, so that whatever training alone needs, as heads and texts, counts nothing.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pivl.model import ReIDModel

BATCH = 64  # pictures at a time when speed is measured
ROUNDS = 3  # the fastest counts: whatever else runs on a machine only slows it


@dataclass(frozen=True)
class InferenceCost:
    """parameters: that the descriptor depends on. macs: multiply-accumulates of one picture in convolutions and matrix
    products. images_per_second: on the device at hand, in batches of BATCH, without reading pictures.
    """

    parameters: int
    macs: int
    images_per_second: float


def measure_inference(model: ReIDModel, image_size: tuple[int, int], device: torch.device) -> InferenceCost:
    """Returns the cost of the descriptor of `model`, in evaluation mode on `device`, for pictures of (height, width)."""
    one = torch.zeros(1, 3, *image_size, device=device)
    return InferenceCost(
        count_parameters(model, one),
        count_macs(model, one),
        round(_measure_speed(model, one.expand(BATCH, -1, -1, -1).contiguous()), 1),
    )


def count_parameters(model: ReIDModel, image: Tensor) -> int:
    """Returns how many numbers of the model the descriptor of `image` [1, 3, H, W] depends on."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    reached = torch.autograd.grad(_embed(model, image).sum(), trained, allow_unused=True)
    return sum(one.numel() for one, grad in zip(trained, reached, strict=True) if grad is not None)


def count_macs(model: ReIDModel, image: Tensor) -> int:
    """Multiply-accumulates of the descriptor of `image` [1, 3, H, W]: half of the operations that torch counts."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        _embed(model, image)  # plain products: the counter does not know every fused attention
    return counter.get_total_flops() // 2


@torch.no_grad()
def _measure_speed(model: ReIDModel, image: Tensor) -> float:
    """Images a second, the best of ROUNDS after one to warm up."""
    taken = []
    for _ in range(1 + ROUNDS):
        began = time.perf_counter()
        float(_embed(model, image).sum())  # waits for the device
        taken.append(time.perf_counter() - began)
    return len(image) / min(taken[1:])


def _embed(model: ReIDModel, image: Tensor) -> Tensor:
    return model.embed(image, torch.zeros(len(image), dtype=torch.int64, device=image.device))
