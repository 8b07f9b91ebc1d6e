"""What comes out of a network, held to what a part map can be made of."""

from pathlib import Path
from typing import Any

from torch import Tensor

from pivl.errors import UserError


class NotFinite(UserError):
    """Logits that are not finite, of the picture `number` of a batch."""

    def __init__(self, source: Path, number: int) -> None:
        super().__init__(
            f"{source}: its logits are not finite (NaN or infinity); use weights without, or --precision fp32"
        )
        self.number = number


def check_logits(logits: Any, pictures: int, classes: int, source: Path, of: str) -> Tensor:
    """`logits`, which must be [pictures, classes, h, w] of finite numbers, as float32.

    Raises UserError that names `source` for any other output (`of`: what they should be of, and what to do), NotFinite
    for what is no number.
    """
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else None
    if shape is None:
        found = type(logits).__name__
    elif not logits.is_floating_point():
        found = f"{str(logits.dtype).removeprefix('torch.')} of shape {shape}"
    elif len(shape) != 4 or shape[:2] != (pictures, classes) or 0 in shape:
        found = f"of shape {shape}"
    else:
        found = ""
    if found:
        raise UserError(f"{source}: its output is {found}, not logits [B, {classes}, h, w] {of}")
    logits = logits.float()
    for number, some in enumerate(logits):
        if not bool(some.isfinite().all()):
            raise NotFinite(source, number)
    return logits


def reason(error: Exception) -> str:
    """Returns the last line of what code of others said went wrong; its kind where it said nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[-1].strip():.200}"
