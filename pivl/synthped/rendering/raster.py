"""Quadric solids to pixels: exact spans per scan line, one fragment per pixel and solid, the nearest one wins.

With an orthographic ray through (X, Y) a solid's surface is A Z^2 + 2 B Z + C = 0; A is constant, B linear and the
discriminant D = B^2 - A C quadratic in X and Y, so a scan line ends at the roots of a parabola. Geometry is float64;
float32 coefficients of fragments follow from it, and only +, -, *, / and square roots decide a label there, so that
maps agree across machines.
"""

from dataclasses import dataclass

import numpy as np

from pivl.synthped.person.solids import Solids

FAR = np.float32(-9.0)


@dataclass(frozen=True)
class Camera:
    """Where each view's pixels lie: yaw, pitch (radians), pixels per metre, pixel (x, y) of the ground point; all [N]."""

    yaw: np.ndarray
    pitch: np.ndarray
    zoom: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def turn(self, v: np.ndarray) -> np.ndarray:
        """Body vectors [3, ..., N] in view axes: X right, Y up, Z towards the camera."""
        return self.tilt(self.level(v))

    def level(self, v: np.ndarray) -> np.ndarray:
        """Body vectors [3, ..., N] turned to the camera, before it looks down."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([v[0] * cos + v[2] * sin, v[1], v[2] * cos - v[0] * sin])

    def tilt(self, v: np.ndarray) -> np.ndarray:
        """Level vectors [3, ..., N] seen from a camera that looks down by `pitch`."""
        cos, sin = np.cos(self.pitch), np.sin(self.pitch)
        return np.stack([v[0], v[1] * cos - v[2] * sin, v[1] * sin + v[2] * cos])


@dataclass(frozen=True)
class Surface:
    """What N views see: depth float32 [N, H, W] (Z in metres) and slot int16 [N, H, W]; FAR and -1 where nothing is."""

    depth: np.ndarray
    slot: np.ndarray


@dataclass(frozen=True)
class Quadrics:
    """Solids in view axes: a, b, t are linear forms [3, K, N] of a point relative to `start`; shape as in Solids."""

    start: np.ndarray
    a: np.ndarray
    b: np.ndarray
    t: np.ndarray
    shape: np.ndarray


def in_view(solids: Solids, camera: Camera, ground: np.ndarray) -> Quadrics:
    """The solids as `camera` sees them, `ground` [3, N] being the body point that stands at the camera's pixel (x, y)."""
    along = camera.turn(solids.along)
    length = (along * along).sum(0)
    return Quadrics(
        start=camera.turn(solids.start - ground[:, None]),
        a=camera.turn(solids.left),
        b=camera.turn(solids.front) / solids.shape[3],
        t=along / length,
        shape=solids.shape,
    )


def rasterise(quadrics: Quadrics, active: np.ndarray, camera: Camera, size: tuple[int, int]) -> Surface:
    """The nearest surface at every pixel of [N, H, W]."""
    slots, count = active.shape
    height, width = size
    rows = _rows(quadrics, active, camera, size)
    start, pixel, values = _fragments(rows, camera, width)
    depth = np.full(count * height * width, FAR, np.float32)
    slot = np.full(count * height * width, -1, np.int16)
    for k in range(slots):
        here = slice(start[k], start[k + 1])
        place, z = pixel[here], values[here]
        nearer = z > depth[place]
        place = place[nearer]
        depth[place] = z[nearer]
        slot[place] = k
    return Surface(depth.reshape(count, height, width), slot.reshape(count, height, width))


@dataclass(frozen=True)
class _Rows:
    """Scan lines of solids, slot by slot, all [R]: view, line, first pixel, number of pixels.

    columns float32 [11, R]: X of the first pixel, three coefficients of D in X, two of B, 1 / A, those of t for X, 1, Z,
    and the depth of the solid's start.
    """

    slot: np.ndarray
    view: np.ndarray
    line: np.ndarray
    first: np.ndarray
    length: np.ndarray
    columns: np.ndarray
    slots: int
    height: int


@dataclass(frozen=True)
class _Rays:
    """The equation of rays through R solids, relative to their start, all [R].

    D = xx X^2 + xy X Y + yy Y^2 + x X + y Y + one and B = bx X + by Y + b; `lead` is A, `right` and `up` [2, R] are the
    ends of the box around the solid in metres.
    """

    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    x: np.ndarray
    y: np.ndarray
    one: np.ndarray
    bx: np.ndarray
    by: np.ndarray
    b: np.ndarray
    lead: np.ndarray
    right: np.ndarray
    up: np.ndarray


def _rays(a: np.ndarray, b: np.ndarray, t: np.ndarray, shape: np.ndarray) -> _Rays:
    """The polynomials of solids with forms a, b, t [3, R] and shape [4, R]."""
    f0, f1, f2, depth = shape

    def product(i: int, j: int) -> np.ndarray:
        return a[i] * a[j] + b[i] * b[j] - f2 * t[i] * t[j]

    lead = product(2, 2)
    lead = np.where(np.abs(lead) < 1e-7, 1e-7, lead)
    bx, by, b0 = product(0, 2), product(1, 2), -0.5 * f1 * t[2]
    widest = np.sqrt(_largest(f0, f1, f2))
    along = t / (t * t).sum(0)
    reach = [widest * np.sqrt(a[i] * a[i] + (b[i] * depth * depth) ** 2) for i in (0, 1)]
    box = [np.stack([np.minimum(along[i], 0) - reach[i], np.maximum(along[i], 0) + reach[i]]) for i in (0, 1)]
    return _Rays(
        xx=bx * bx - lead * product(0, 0),
        xy=2 * (bx * by - lead * product(0, 1)),
        yy=by * by - lead * product(1, 1),
        x=2 * bx * b0 + lead * f1 * t[0],
        y=2 * by * b0 + lead * f1 * t[1],
        one=b0 * b0 + lead * f0,
        bx=bx,
        by=by,
        b=b0,
        lead=lead,
        right=box[0],
        up=box[1],
    )


def _rows(q: Quadrics, active: np.ndarray, camera: Camera, size: tuple[int, int]) -> _Rows:
    """Every scan line that some solid may touch, with the span in which it does."""
    height, width = size
    slots, count = active.shape
    on = np.flatnonzero(active.ravel())
    view_of = on % count

    def pick(array: np.ndarray) -> np.ndarray:
        return array.reshape(*array.shape[:-2], -1)[..., on]

    (x0, y0, z0), t = pick(q.start), pick(q.t)
    rays = _rays(pick(q.a), pick(q.b), t, pick(q.shape))
    zoom, cx, cy = camera.zoom[view_of], camera.x[view_of], camera.y[view_of]
    top = np.maximum(np.ceil(cy - zoom * (y0 + rays.up[1]) - 0.5), 0).astype(np.int64)
    bottom = np.minimum(np.floor(cy - zoom * (y0 + rays.up[0]) - 0.5), height - 1).astype(np.int64)
    lines = np.maximum(bottom - top + 1, 0)
    r = np.repeat(np.arange(len(on)), lines)
    line = top[r] + np.arange(len(r)) - np.repeat(np.cumsum(lines) - lines, lines)

    y = (cy[r] - line - 0.5) / zoom[r] - y0[r]
    qa, qb, qc = rays.xx[r], rays.xy[r] * y + rays.x[r], (rays.yy[r] * y + rays.y[r]) * y + rays.one[r]
    low, high, missed = _span(qa, qb, qc, rays.right[0][r], rays.right[1][r])
    first = np.maximum(np.ceil(cx[r] + zoom[r] * (x0[r] + low) - 0.5), 0)
    last = np.minimum(np.floor(cx[r] + zoom[r] * (x0[r] + high) - 0.5), width - 1)
    length = np.where(missed, 0, np.maximum(last - first + 1, 0)).astype(np.int64)

    x = (first + 0.5 - cx[r]) / zoom[r] - x0[r]
    b_and_lead = (rays.bx[r], rays.by[r] * y + rays.b[r], 1 / rays.lead[r])
    columns = np.stack([x, qa, qb, qc, *b_and_lead, t[0][r], t[1][r] * y, t[2][r], z0[r]])
    keep = length > 0
    return _Rows(
        slot=(on // count)[r][keep], view=view_of[r][keep], line=line[keep], first=first[keep].astype(np.int64),
        length=length[keep], columns=columns[:, keep].astype(np.float32), slots=slots, height=height,
    )  # fmt: skip


def _span(
    qa: np.ndarray, qb: np.ndarray, qc: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where qa X^2 + qb X + qc >= 0 within low..high, if that is one piece (qa < 0), and the rows that miss it; [R]."""
    inside = qb * qb - 4 * qa * qc
    closed = qa < 0
    root = np.sqrt(np.maximum(inside, 0))
    safe = np.where(closed, 2 * qa, -1.0)
    low = np.where(closed, np.maximum(low, (-qb + root) / safe), low)
    high = np.where(closed, np.minimum(high, (-qb - root) / safe), high)
    return low, high, closed & (inside < 0)


def _largest(f0: np.ndarray, f1: np.ndarray, f2: np.ndarray) -> np.ndarray:
    """The largest value of f0 + f1 t + f2 t^2 for t in 0..1."""
    curved = np.where(f2 < 0, f2, -1.0)
    peak = np.clip(-f1 / (2 * curved), 0, 1)
    ends = np.maximum(f0, f0 + f1 + f2)
    return np.maximum(ends, np.where(f2 < 0, f0 + peak * (f1 + peak * f2), ends))


def _fragments(rows: _Rows, camera: Camera, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each slot's fragments start [K + 1], their pixel in the flat image stack, and their depth."""
    total = int(rows.length.sum())
    r = np.repeat(np.arange(len(rows.length)), rows.length)
    step = np.arange(total) - np.repeat(np.cumsum(rows.length) - rows.length, rows.length)
    base = (rows.view * rows.height + rows.line) * width + rows.first
    spacing = (1 / camera.zoom)[rows.view].astype(np.float32)
    x0, qa, qb, qc, bx, by, inverse, tx, ty, tz, z0 = rows.columns
    x = x0[r] + step.astype(np.float32) * spacing[r]
    disc = (qa[r] * x + qb[r]) * x + qc[r]
    z = (np.sqrt(np.maximum(disc, np.float32(0))) - bx[r] * x - by[r]) * inverse[r]
    t = tx[r] * x + ty[r] + tz[r] * z
    keep = np.flatnonzero((disc >= 0) & (t >= 0) & (t <= 1))
    kept_rows = r[keep]
    start = np.searchsorted(rows.slot[kept_rows], np.arange(rows.slots + 1))
    return start, base[kept_rows] + step[keep], z[keep] + z0[kept_rows]
