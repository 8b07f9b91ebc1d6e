"""Another processor's arithmetic: every product adds up in another order, as its library's kernels would have it."""

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class OtherKernels(TorchDispatchMode):
    """Within it, matrix products and convolutions, forward and backward, take the terms of each sum in an order drawn
    from `seed` and the shapes, and a bias is added afterwards or, in some convolutions, rounded together with its sum, as
    one instruction does: right results, rounded otherwise, and to the bit the same where the same is computed twice.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        other = self._others().get(func)
        return other(*args, **(kwargs or {})) if other else func(*args, **(kwargs or {}))

    def _others(self) -> dict[Any, Callable[..., Any]]:
        return {
            aten.mm.default: self._product(aten.mm.default),
            aten.bmm.default: self._product(aten.bmm.default),
            aten.addmm.default: self._sum_and_product(aten.mm.default),
            aten.baddbmm.default: self._sum_and_product(aten.bmm.default),
            aten.convolution.default: self._convolution,
            aten.convolution_backward.default: self._convolution_backward,
        }

    def _order(self, size: int, *operands: Tensor) -> Tensor:
        drawn_from = repr((self.seed, *(tuple(one.shape) for one in operands)))
        return torch.randperm(size, generator=torch.Generator().manual_seed(crc32(drawn_from.encode())))

    def _product(self, func: Any) -> Callable[..., Tensor]:
        def product(left: Tensor, right: Tensor) -> Tensor:
            order = self._order(left.shape[-1], left, right)
            return func(left.index_select(-1, order), right.index_select(-2, order))

        return product

    def _sum_and_product(self, func: Any) -> Callable[..., Tensor]:
        def added(start: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
            product = self._product(func)(left, right)
            return (product if alpha == 1 else alpha * product) + (start if beta == 1 else beta * start)

        return added

    def _convolution(self, image: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:
        transposed, groups = rest[3], rest[5]
        if groups == 1:
            order = self._order(image.shape[1], image, weight)
            image, weight = image[:, order], weight[order] if transposed else weight[:, order]
        if bias is not None and self._order(2, image, weight)[0]:
            exact = aten.convolution.default(image.double(), weight.double(), bias.double(), *rest)
            return exact.to(image.dtype)
        plain = aten.convolution.default(image, weight, None, *rest)
        return plain if bias is None else plain + bias[:, None, None]

    def _convolution_backward(self, slope: Tensor, image: Tensor, weight: Tensor, *rest: Any) -> Any:
        """Sums over the pictures of the batch, for the weight, and over the channels of the output, for the image."""
        transposed, groups = rest[4], rest[6]
        some = self._order(len(image), image, weight)
        slope, image = slope[some], image[some]
        order = self._order(slope.shape[1], image, weight)
        if groups > 1:
            order = torch.arange(slope.shape[1])
        back = torch.argsort(order)
        moved = weight[:, order] if transposed else weight[order]
        to_image, to_weight, to_bias = aten.convolution_backward.default(slope[:, order], image, moved, *rest)
        if to_weight is not None:
            to_weight = to_weight[:, back] if transposed else to_weight[back]
        return (
            None if to_image is None else to_image[torch.argsort(some)],
            to_weight,
            None if to_bias is None else to_bias[back],
        )
