"""Quadric solids: the one primitive that every piece of a body is made of, gathered slot by slot for N views.

A solid is a slab of an axis from p0 to p1 whose elliptical cross-section has half-widths r(t) along u and depth * r(t)
along w, w being as near to the hint `forward` as the axis allows. With t in 0..1 along the axis, r(t)^2 = f0 + f1 t +
f2 t^2 passes through three radii: (0, r, 0) is an ellipsoid, others are cones, barrels and waists.
"""

from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import numpy as np

from pivl.synthped.person.skeleton import cross, unit

EVERYWHERE = 9.0


@dataclass(frozen=True)
class Inset:
    """Another material in a window of a solid: front > `front`, |side| < `side` + `taper` t (m), `low` < t < `high`."""

    material: int | np.ndarray
    front: float | np.ndarray = -EVERYWHERE
    side: float | np.ndarray = EVERYWHERE
    taper: float | np.ndarray = 0.0
    low: float | np.ndarray = -EVERYWHERE
    high: float | np.ndarray = EVERYWHERE


@dataclass(frozen=True)
class Cloth:
    """How a pattern lies: height v on the body at t = 0 (m), its rise with t, repeats around, and room for a logo."""

    v: float | np.ndarray = 0.0
    rise: float | np.ndarray = 0.1
    repeats: float = 4.0
    logo: bool = False


@dataclass(frozen=True)
class Solids:
    """K slots of N views. Axes start, along (= p1 - p0), left (u), front (w): [3, K, N]; the rest [K, N].

    shape: f0, f1, f2 and depth [4, K, N]. material, and in the window [5, K, N] of an Inset the other one.
    cloth: v, rise, repeats and logo [4, K, N].
    """

    active: np.ndarray
    start: np.ndarray
    along: np.ndarray
    left: np.ndarray
    front: np.ndarray
    shape: np.ndarray
    material: np.ndarray
    other: np.ndarray
    window: np.ndarray
    cloth: np.ndarray


class SolidStyle(TypedDict, total=False):
    """The keywords of SolidList.add that need not be said."""

    depth: float | np.ndarray
    on: bool | np.ndarray
    inset: Inset | None
    cloth: Cloth


@dataclass
class SolidList:
    """Collects the slots of N views one by one; `stack` makes Solids of them."""

    count: int
    _rows: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(
        self,
        p0: np.ndarray,
        p1: np.ndarray,
        radii: tuple[float | np.ndarray, float | np.ndarray, float | np.ndarray],
        material: int | np.ndarray,
        forward: np.ndarray,
        *,
        depth: float | np.ndarray = 1.0,
        on: bool | np.ndarray = True,
        inset: Inset | None = None,
        cloth: Cloth = Cloth(),
    ) -> None:
        """One slot: a slab from p0 to p1 [3, N]; numbers or arrays [N] for everything else."""
        inset = inset or Inset(material)
        row = {
            "on": on, "material": material, "other": inset.material, "r0": radii[0], "rm": radii[1], "r1": radii[2],
            "depth": depth, "front": inset.front, "side": inset.side, "taper": inset.taper, "low": inset.low,
            "high": inset.high, "v": cloth.v, "rise": cloth.rise, "repeats": cloth.repeats, "logo": cloth.logo,
        }  # fmt: skip
        for name, value in row.items():
            self._rows.setdefault(name, []).append(np.broadcast_to(np.asarray(value), (self.count,)))
        for name, point in (("p0", p0), ("p1", p1), ("forward_hint", forward)):
            self._rows.setdefault(name, []).append(np.broadcast_to(point, (3, self.count)))

    def ellipsoid(
        self,
        center: np.ndarray,
        half: np.ndarray,
        radius: float | np.ndarray,
        material: int | np.ndarray,
        forward: np.ndarray,
        **style: Unpack[SolidStyle],
    ) -> None:
        """One slot: an ellipsoid about `center` whose axis reaches `half` [3, N] to either side."""
        self.add(center - half, center + half, (0.0, radius, 0.0), material, forward, **style)

    def stack(self) -> Solids:
        """All slots as arrays."""
        rows = {name: np.stack(values) for name, values in self._rows.items() if values[0].ndim == 1}
        start, end, hint = (np.stack(self._rows[name], axis=1) for name in ("p0", "p1", "forward_hint"))
        along = end - start
        axis = unit(along)
        front = unit(hint - (hint * axis).sum(0) * axis)
        r0, rm, r1 = (rows[name].astype(np.float64) ** 2 for name in ("r0", "rm", "r1"))

        def together(*names: str) -> np.ndarray:
            return np.stack([rows[name].astype(np.float64) for name in names])

        return Solids(
            active=rows["on"].astype(bool),
            start=start,
            along=along,
            left=cross(axis, front),
            front=front,
            shape=np.stack(
                [r0, -3 * r0 + 4 * rm - r1, 2 * r0 - 4 * rm + 2 * r1, rows["depth"].astype(np.float64)]
            ),
            material=rows["material"].astype(np.int64),
            other=rows["other"].astype(np.int64),
            window=together("front", "side", "taper", "low", "high"),
            cloth=together("v", "rise", "repeats", "logo"),
        )
