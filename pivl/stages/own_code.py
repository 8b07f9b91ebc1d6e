"""A loss and a fusion head of one's own in stage 2: what they are given and what they must return."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pivl.fusion import MakeHead


@dataclass(frozen=True)
class LossInput:
    """What a loss of one's own is given of a step of stage 2, with gradients, in float32: B pictures, of all ranks.

    last, feat [B, C_last], [B, C] and proj [B, D]: the features of Eq. 3-4, not normalised (pivl.towers.features).
    logits: identity scores [B, P] of feat and of proj. person, camera: int64 [B], people from 0. person_texts [P, D]: of
    all people, None without texts. For rows with texts of parts, else empty or None: maps [B, D, h, w], those that are
    aligned; part_texts [B, K, D] of each picture's person; cells int64 [B, h, w], the part of each, or labels.IGNORE.
    """

    last: Tensor
    feat: Tensor
    proj: Tensor
    logits: tuple[Tensor, ...]
    person: Tensor
    camera: Tensor
    person_texts: Tensor | None = None
    maps: tuple[Tensor, ...] = ()
    part_texts: Tensor | None = None
    cells: Tensor | None = None


OwnLoss = Callable[[LossInput], Tensor]
"""From a step to a scalar. It has no weights of its own and draws nothing at random."""


@dataclass(frozen=True)
class OwnCode:
    """The code that a recipe names by own_loss and own_head."""

    loss: OwnLoss | None = None
    head: MakeHead | None = None


NO_CODE = OwnCode()


def own_term(loss: OwnLoss, step: LossInput) -> Tensor:
    """Returns the loss of a step in float32. Raises TypeError for what is no scalar with a gradient."""
    found = loss(step)
    if not isinstance(found, Tensor) or found.ndim or not found.requires_grad:
        what = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise TypeError(f"own_loss must return a scalar tensor with a gradient; it returned {what}")
    return found.float()
