"""Clocks: works measured in turn, so that what else the machine does meets all of them alike, and growth."""

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

Work = Callable[[], object]


def synchronise(device: torch.device) -> None:
    """Waits until the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Work, device: torch.device) -> float:
    """The duration of `work` in seconds."""
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - began


def alternate(repeats: int, device: torch.device, *works: Work) -> list[list[float]]:
    """The seconds of each work in `repeats` rounds, all works in each round; a round before them is not counted."""
    rounds = [[seconds(work, device) for work in works] for _ in range(repeats + 1)]
    return [list(one) for one in zip(*rounds[1:], strict=True)]


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """The ratio of the two durations, round by round."""
    return [one / other for one, other in zip(slow, fast, strict=True)]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The power of the size by which the value grows: the slope of a line through their logarithms."""
    x, y = [[math.log(one) for one in some] for some in (sizes, values)]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True))
    return covariance / sum((one - mean_x) ** 2 for one in x)


def held_bytes(work: Callable[[], Tensor]) -> int:
    """Bytes that the graph of `work` keeps for its backward pass: all storages, each once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = work()  # alive until all is counted, so that no address is used twice
    del result
    return sum(storages.values())


def matrix_rate(device: torch.device, dtype: torch.dtype, repeats: int = 3) -> float:
    """Floating-point operations per second of a large matrix product: the limit that a step is held to."""
    size = 8192 if device.type == "cuda" else 1536
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    (taken,) = alternate(repeats, device, lambda: one @ other)
    return 2 * size**3 / median(taken)
