"""Several processes, ranks, that train one model together in the default process group of torch.distributed.

Each takes its share of every batch through the towers; features are gathered, and every rank computes the same loss of
the whole batch. Gradients flow back through the collectives: what a rank gets is the gradient of the sum of all ranks'
losses, whatever was shared and whatever was computed by each, and the mean over ranks is that of the loss itself. A
process by itself is the only rank, and every function here then returns what it is given.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from pivl.errors import UserError


def count() -> int:
    """Returns how many ranks train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def number() -> int:
    """Returns which of them this is, from 0."""
    return distributed.get_rank() if count() > 1 else 0


def share(batch: Tensor) -> Tensor:
    """This rank's part of a batch [N, ...] that all ranks have; the parts follow each other, as equal as can be."""
    return batch.tensor_split(count())[number()]


def gather(part: Tensor, whole: int) -> Tensor:
    """Returns the batch [whole, ...] of which `part` is this rank's share, with gradients; floats as float32."""
    if count() == 1:
        return part
    before = sum(len(one) for one in torch.empty(whole, 0).tensor_split(count())[: number()])
    margins = (0, 0) * (part.ndim - 1) + (before, whole - before - len(part))
    return total(functional.pad(part.float() if part.is_floating_point() else part, margins))


def spread(encode: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """`encode` of a batch [N, ...], to which every rank adds its share; or all do it all, for fewer rows than ranks."""
    return encode(batch) if len(batch) < count() else gather(encode(share(batch)), len(batch))


def total(value: Tensor) -> Tensor:
    """Returns the sum of a tensor over all ranks, with gradients."""
    return _Total.apply(value) if count() > 1 else value


def mean(value: Tensor, weight: Tensor) -> Tensor:
    """Returns the mean over all ranks of a value that is itself a mean over `weight` things; 0 where there are none."""
    return value if count() == 1 else total(value * weight) / total(weight).clamp(min=1)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every parameter the mean of its gradients on all ranks, to the same bits on each."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = total(torch.cat([gradient.flatten() for gradient in gradients])) / count()
    for gradient, averaged in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
        gradient.copy_(averaged.view_as(gradient))


def synchronize(module: nn.Module) -> None:
    """Let the batch norms of `module` see all ranks' batches in training; its parameters and their names stay.

    Raises UserError for a batch norm that does more than normalise.
    """
    for name, child in module.named_children() if count() > 1 else ():
        if not isinstance(child, nn.modules.batchnorm._BatchNorm):
            synchronize(child)
        elif type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
            setattr(module, name, _WholeBatchNorm(child))
        else:
            kind = type(child).__name__
            raise UserError(f"{kind} cannot be trained by several processes; use --gpus-per-run 1")


class _Total(torch.autograd.Function):
    """A sum over ranks, whose gradient is the sum of all ranks' gradients."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _Total.apply(gradient)


class _WholeBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the batch of all ranks, on any device: torch's own SyncBatchNorm needs GPUs."""

    def __init__(self, alone: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__(alone.num_features, alone.eps, alone.momentum)
        self.weight, self.bias = alone.weight, alone.bias
        self.running_mean, self.running_var = alone.running_mean, alone.running_var
        self.num_batches_tracked = alone.num_batches_tracked
        self.train(alone.training)

    def forward(self, image: Tensor) -> Tensor:
        """[B, C, ...] normalised per channel; by running statistics in evaluation, as any batch norm."""
        if not self.training:
            return super().forward(image)
        others, shape = [0, *range(2, image.ndim)], [-1] + [1] * (image.ndim - 2)
        exact = image.float()
        size = total(torch.tensor(exact.numel() / self.num_features, device=image.device))
        # Sums in float64, as torch has them for one process on a CPU.
        mean = total(exact.sum(others, dtype=torch.float64)) / size
        variance = total((exact - mean.float().view(shape)).square().sum(others, dtype=torch.float64)) / size
        self._follow(mean.detach().float(), (variance.detach() * size / (size - 1)).float())
        scale = self.weight * (variance + self.eps).rsqrt().float()
        shift = self.bias - mean.float() * scale
        return (exact * scale.view(shape) + shift.view(shape)).to(image.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""
