"""Figures of the original code as files keep them, and how ours are held to them (shared/reference/README.md)."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.errors import Unreadable, UserError
from pivl.system.json_files import parse_json
from pivl.system.numpy_files import read_arrays

ROUNDINGS = 3
ONE_ROUNDING = 2.0**-24  # of a float32, relative
AS_MADE = "use a reference file as it was made"
LARGEST = 2**29  # bytes of a file's arrays; features of all of Market-1501 are a fifth of it
MOST = 2**16  # of anything that meta counts


@dataclass(frozen=True, eq=False)
class Figures:
    """A reference file: its `meta`, which says what was computed from what, and its arrays by key."""

    path: Path
    meta: dict[str, Any]
    values: dict[str, NDArray[Any]]

    def whole(self, key: str, least: int = 1, most: int = MOST) -> int:
        """Returns the whole number `key` of meta; UserError where it is absent, none, below `least` or above `most`."""
        value = self.meta.get(key)
        if not _is_whole(value, least, most):
            raise self.unfit(f"{key} is {brief(value)}, not a whole number from {least} to {most}")
        return value

    def wholes(self, key: str, least: int = 1) -> tuple[int, ...]:
        """Returns the list of whole numbers `key` of meta; UserError as for `whole`."""
        value = self.meta.get(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(_is_whole(item, least, MOST) for item in value)
        ):
            raise self.unfit(f"{key} is {brief(value)}, not a list of whole numbers from {least} to {MOST}")
        return tuple(value)

    def unfit(self, why: str) -> UserError:
        """Returns the error for a file whose meta or arrays cannot be computed again."""
        return UserError(f"{self.path}: {why}; {AS_MADE}")


def _is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def brief(value: object) -> str:
    """Returns a value of meta as a line shows it: on one line, and no longer than one."""
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def read_figures(path: Path) -> Figures:
    """A reference file, whole in memory. Raises UserError, one line, where it is absent, cut short or something else."""
    values = read_arrays(path, LARGEST, AS_MADE)
    try:
        for value in values.values():
            if value.dtype.kind == "U":
                "".join(value.ravel().tolist()).encode()
        meta = parse_json(str(values.pop("meta")))
    except (ValueError, LookupError) as error:  # letters that are none, no meta, or none that is JSON
        raise Unreadable(path, "not a file of figures with its meta", AS_MADE) from error
    if not isinstance(meta, dict):
        raise Unreadable(path, "its meta is no table of names", AS_MADE)
    return Figures(path, meta, values)


@dataclass(frozen=True)
class Measure:
    """How far ours may be from a figure: each difference, relative to the largest figure, to its own, or as it is."""

    tolerance: float
    relative_to: Literal["largest", "each", "nothing"] = "largest"

    def deviations(self, ours: Tensor, figure: NDArray[Any]) -> Tensor:
        """float64 of the figure's shape, not negative, NaN where either is; one infinity if they do not compare."""
        if ours.numel() == 0 or tuple(ours.shape) != figure.shape or figure.dtype.kind not in "fiu":
            return torch.tensor(torch.inf, dtype=torch.float64)
        kept = ours.detach().cpu().numpy().astype(figure.dtype)  # ours as the file would keep it
        theirs = torch.from_numpy(figure.astype(np.float64))
        difference = (torch.from_numpy(kept.astype(np.float64)) - theirs).abs()
        if self.relative_to == "nothing":
            return difference
        size = theirs.abs() if self.relative_to == "each" else theirs.abs().max()
        return torch.where(difference == 0, 0.0, difference / size)


def text_sums(texts: Sequence[str]) -> Tensor:
    """int64 [len(texts)]: the CRC-32 of each, which stands for it where texts are compared."""
    return torch.tensor([zlib.crc32(text.encode()) for text in texts], dtype=torch.int64)


FORWARD = Measure(1e-5)  # one pass in float32
AFTER_FEW = Measure(
    1e-4
)  # losses after few steps of Adam: a weight that is off by a thousandth shows in their sum
AFTER_STEPS = Measure(1e-3)  # what Adam moved: it enlarges rounding where gradients are small
RATES = Measure(1e-9, "each")
EXACT = Measure(1e-12, "nothing")  # the last bits of a mean; distances that tie up to rounding: see compare
RERANKED = Measure(1e-2, "nothing")  # the original computes in half precision


@dataclass(frozen=True)
class Recomputed:
    """The value that this project's code computes for one key, and its tolerance."""

    key: str
    ours: Tensor
    measure: Measure


@dataclass(frozen=True)
class Check:
    """The outcome for one key of a file; a key that we do not compute deviates infinitely.

    `rounding`: what one rounding of weights and inputs does to ours, where that had to be asked (see compare). `absent`:
    the file lacks it, though every file of its kind has it.
    """

    key: str
    deviation: float
    tolerance: float
    passed: bool
    rounding: float = 0.0
    absent: bool = False


def compare(item: Recomputed, figure: NDArray[Any], nudged: Sequence[Tensor] = ()) -> Check:
    """Hold one recomputed value to its figure.

    `nudged` are the same value from weights and inputs changed by one rounding each. Several steps of Adam through a
    deep network can turn that into percents: the sign of a gradient near zero moves a weight by the full rate. And two
    gallery pictures at distances that differ by less can change places. A deviation of up to three times what rounding
    alone does passes, entry by entry in a list, so that the loss of a first step stays exact. Texts compare by
    `text_sums`.
    """
    if figure.dtype.kind == "U":
        figure = text_sums(figure.ravel().tolist()).reshape(figure.shape).numpy()
    deviations = item.measure.deviations(item.ours, figure)
    rounding = torch.zeros_like(deviations)
    if deviations.isfinite().all():
        ours = item.ours.detach().cpu().numpy().astype(figure.dtype)
        for moved in nudged:
            rounding = rounding.maximum(item.measure.deviations(moved, ours))
    limit = (ROUNDINGS * rounding).clamp_min(item.measure.tolerance)
    passed = bool((deviations <= (limit if limit.ndim == 1 else limit.max())).all())
    return Check(item.key, float(deviations.max()), item.measure.tolerance, passed, float(rounding.max()))
