"""Quadric solids: the one primitive that every piece of a body is made of, gathered slot by slot for N views.

A solid is a slab of an axis from p0 to p1 whose elliptical cross-section has half-widths r(t) along u and depth * r(t) along
w, w being as near to the hint `forward` as the axis allows. With t in 0..1 along the axis, r(t)^2 = f0 + f1 t + f2 t^2 passes
through three radii: (0, r, 0) is an ellipsoid, others are cones, barrels and waists.
"""

from dataclasses import dataclass, field

import numpy as np

from pivl.people.skeleton import cross, unit

ANYWHERE = -9.0


@dataclass(frozen=True)
class Solids:
    """K slots of N views. Axes start, along (= p1 - p0), left (u), front (w): [3, K, N]; the rest [K, N].

    shape: f0, f1, f2 and depth [4, K, N]. cover: material, and the alternative one with the window that it fills [3, K, N]:
    front > front_min (metres along w), |side| < side0 + side1 * t, low < t < high. cloth: v at t = 0, v per t, repeats of a
    pattern around, and whether a logo fits.
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


@dataclass
class SolidList:
    """Collects the slots of N views one by one; `stack` makes Solids of them."""

    count: int
    _rows: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(
        self,
        p0: np.ndarray,
        p1: np.ndarray,
        radii: tuple[object, object, object],
        material: object,
        forward: np.ndarray,
        *,
        depth: object = 1.0,
        on: object = True,
        other: object = None,
        front_min: object = ANYWHERE,
        side: tuple[object, object] = (9.0, 0.0),
        between: tuple[object, object] = (ANYWHERE, 9.0),
        v: tuple[object, object] = (0.0, 0.0),
        repeats: float = 4.0,
        logo: float = 0.0,
    ) -> None:
        """One slot: a slab from p0 to p1 [3, N]; numbers or arrays [N] for everything else."""
        row = {
            "on": on, "material": material, "other": material if other is None else other,
            "r0": radii[0], "rm": radii[1], "r1": radii[2], "depth": depth, "front_min": front_min,
            "side0": side[0], "side1": side[1], "low": between[0], "high": between[1],
            "v0": v[0], "vs": v[1], "repeats": repeats, "logo": logo,
        }  # fmt: skip
        for name, value in row.items():
            self._rows.setdefault(name, []).append(np.broadcast_to(np.asarray(value), (self.count,)))
        for name, point in (("p0", p0), ("p1", p1), ("forward", forward)):
            self._rows.setdefault(name, []).append(np.broadcast_to(point, (3, self.count)))

    def ellipsoid(
        self,
        center: np.ndarray,
        half: np.ndarray,
        radius: object,
        material: object,
        forward: np.ndarray,
        **more: object,
    ) -> None:
        """One slot: an ellipsoid about `center` whose axis reaches `half` [3, N] to either side."""
        self.add(center - half, center + half, (0.0, radius, 0.0), material, forward, **more)  # type: ignore[arg-type]

    def stack(self) -> Solids:
        """All slots as arrays."""
        rows = {name: np.stack(values) for name, values in self._rows.items()}
        start, end, hint = (np.stack(self._rows[name], axis=1) for name in ("p0", "p1", "forward"))
        along = end - start
        axis = unit(along)
        front = unit(hint - (hint * axis).sum(0) * axis)
        r0, rm, r1 = (rows[name].astype(np.float64) ** 2 for name in ("r0", "rm", "r1"))
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
            window=np.stack(
                [rows[name].astype(np.float64) for name in ("front_min", "side0", "side1", "low", "high")]
            ),
            cloth=np.stack([rows[name].astype(np.float64) for name in ("v0", "vs", "repeats", "logo")]),
        )
