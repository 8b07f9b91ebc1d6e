"""Light on the visible surface: normals, cloth, folds, ambient occlusion, short shadows; and every pixel's label."""

from dataclasses import dataclass

import numpy as np

from pivl.synthped.person.materials import Materials, second_color_shows
from pivl.synthped.person.solids import Solids
from pivl.synthped.rendering.raster import FAR, Camera, Quadrics, Surface

_TILE = 64


def _tiles() -> tuple[np.ndarray, np.ndarray]:
    """Two periodic float32 [64, 64] textures of mean 0: the grain of cloth and soft folds that run around a limb."""
    noise = np.random.Generator(np.random.PCG64(20230802)).random((3, _TILE, _TILE)) - 0.5
    smooth = noise[1:]
    for axis, reach in ((1, 3), (2, 6), (2, 6), (1, 2)):
        smooth = np.mean([np.roll(smooth, shift, axis) for shift in range(-reach, reach + 1)], axis=0)
    slanted = np.stack([np.roll(smooth[0][row], row) for row in range(_TILE)]) + smooth[1]
    return noise[0].astype(np.float32), (slanted / np.abs(slanted).max()).astype(np.float32)


_GRAIN, _FOLDS = _tiles()


@dataclass(frozen=True)
class Light:
    """Directions to the light and to the sky in view axes [3, N], and the share of direct light [N]."""

    direction: np.ndarray
    share: np.ndarray
    sky: np.ndarray


def shade(
    surface: Surface,
    quadrics: Quadrics,
    solids: Solids,
    materials: Materials,
    camera: Camera,
    light: Light,
    seed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour float32 [N, H, W, 3] (0 where nothing is) and label uint8 [N, H, W]; `seed` [N] places the folds."""
    count, height, width = surface.slot.shape
    flat = np.flatnonzero(surface.slot.ravel() >= 0)
    color = np.zeros((count * height * width, 3), np.float32)
    label = np.zeros(count * height * width, np.uint8)
    table = _table(quadrics, solids)
    padded = _pad(surface.depth)
    for begin in range(0, len(flat), 16384):
        some = flat[begin : begin + 16384]
        pixels = _look(some, surface, table, camera)
        label[some] = materials.label[pixels.what, pixels.view]
        cloth, gloss = _cloth(pixels, materials, seed), materials.gloss[pixels.what]
        color[some] = _illuminate(pixels, cloth, gloss, light, padded)
    return color.reshape(count, height, width, 3), label.reshape(count, height, width)


def _table(q: Quadrics, solids: Solids) -> np.ndarray:
    """Everything that a pixel needs to know of its solid, float32 [K * N, 29]."""
    forms = []
    for form in (q.a, q.b, q.t):
        forms += [*form, -(form * q.start).sum(0)]
    columns = [*forms, *q.shape[1:4], *solids.window, *solids.cloth, solids.material, solids.other]
    return np.stack(columns, -1).reshape(-1, len(columns)).astype(np.float32)


@dataclass(frozen=True)
class _Pixels:
    """n covered pixels, all [n]: view, line, column, slot, zoom (pixels per metre), depth z and normal [3, n].

    On the pixel's solid: distance `side` from the middle (m), share `around` of a turn, height `v` on the body (m),
    repeats of a pattern, whether a logo fits; and the material `what`.
    """

    view: np.ndarray
    line: np.ndarray
    column: np.ndarray
    slot: np.ndarray
    zoom: np.ndarray
    z: np.ndarray
    normal: np.ndarray
    side: np.ndarray
    around: np.ndarray
    v: np.ndarray
    repeats: np.ndarray
    logo: np.ndarray
    what: np.ndarray


def _look(flat: np.ndarray, surface: Surface, table: np.ndarray, camera: Camera) -> _Pixels:
    """What is seen at the covered pixels `flat` (indices into the stack)."""
    count, height, width = surface.slot.shape
    view, inside = np.divmod(flat, height * width)
    line, column = np.divmod(inside, width)
    slot = surface.slot.ravel()[flat].astype(np.int64)
    zoom = camera.zoom.astype(np.float32)[view]
    x = (column + np.float32(0.5) - camera.x.astype(np.float32)[view]) / zoom
    y = (camera.y.astype(np.float32)[view] - line - np.float32(0.5)) / zoom
    z = surface.depth.ravel()[flat]
    (
        ax, ay, az, a0, bx, by, bz, b0, tx, ty, tz, t0, f1, f2, deep, front_min, side0, side1, low, high, v0, vs,
        repeats, logo, material, other,
    ) = np.ascontiguousarray(table[slot * count + view].T)  # fmt: skip
    a = ax * x + ay * y + az * z + a0
    b = bx * x + by * y + bz * z + b0
    t = tx * x + ty * y + tz * z + t0
    front = b * deep
    window = (front > front_min) & (np.abs(a) < side0 + side1 * t) & (t > low) & (t < high)
    slope = np.float32(0.5) * f1 + f2 * t
    nx, ny, nz = a * ax + b * bx - slope * tx, a * ay + b * by - slope * ty, a * az + b * bz - slope * tz
    scale = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
    return _Pixels(
        view=view, line=line, column=column, slot=slot, zoom=zoom, z=z,
        normal=np.stack([nx * scale, ny * scale, nz * scale]),
        side=a, around=np.arctan2(a, b) * np.float32(0.5 / np.pi) + np.float32(0.5), v=v0 + vs * t,
        repeats=repeats, logo=(logo > 0) & (front > 0), what=np.where(window, other, material).astype(np.int64),
    )  # fmt: skip


def _cloth(p: _Pixels, materials: Materials, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colour [3, n] of the surface in even light and the brightness [n] of its grain and folds."""
    what, view = p.what, p.view
    pattern, split = materials.pattern[what, view], materials.split[what, view]
    shows = second_color_shows(pattern, p.around * p.repeats, p.v, p.side, p.logo, split)
    base = np.where(shows, materials.second[what, view].T, materials.color[what, view].T)
    place = (seed[view] + p.slot * 17) % _TILE
    column = (p.around * _TILE).astype(np.int64) % _TILE
    grain = _GRAIN[(np.floor(p.v * 190).astype(np.int64) + place) % _TILE, column]
    folds = _FOLDS[(np.floor(p.v * 75).astype(np.int64) + place) % _TILE, column]
    return base, 1 + materials.weave[what] * (np.float32(0.07) * grain + np.float32(0.17) * folds)


def _illuminate(
    p: _Pixels,
    cloth: tuple[np.ndarray, np.ndarray],
    gloss: np.ndarray,
    light: Light,
    padded: tuple[np.ndarray, int],
) -> np.ndarray:
    """The colour [n, 3] of the pixels' cloth, with its gloss [n], in the light of their views."""
    nx, ny, nz = p.normal
    direction = light.direction.astype(np.float32)[:, p.view]
    sky = light.sky.astype(np.float32)
    share = light.share.astype(np.float32)[p.view]
    facing = nx * direction[0] + ny * direction[1] + nz * direction[2]
    closed, shadowed = _occlusion(padded, p, direction)
    hemisphere = ny * sky[1][p.view] + nz * sky[2][p.view]
    open_sky = np.float32(0.66) + np.float32(0.22) * hemisphere + np.float32(0.16) * nz
    ambient = open_sky * (1 - np.float32(0.62) * closed)
    direct = np.maximum((facing + np.float32(0.15)) / np.float32(1.15), 0) * (1 - np.float32(0.75) * shadowed)
    shine = gloss * np.maximum(facing, 0) ** 8 * (1 - shadowed)
    base, texture = cloth
    brightness = ((1 - np.float32(0.45) * share) * ambient + np.float32(0.85) * share * direct) * texture
    lit = base * brightness + shine * (np.float32(0.4) + share)
    return np.clip(lit, 0, 1).T


def _pad(depth: np.ndarray) -> tuple[np.ndarray, int]:
    """Depth with a border of nothing as wide as the farthest look-up, so that no picture sees its neighbour."""
    border = int(np.ceil(0.16 * depth.shape[1]))
    return np.pad(depth, ((0, 0), (border, border), (border, border)), constant_values=FAR), border


def _occlusion(
    padded: tuple[np.ndarray, int], p: _Pixels, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far neighbours in front close the view of the sky, and how far something stands before the light; 0..1 each."""
    depth, border = padded
    _, tall, wide = depth.shape
    flat_depth = depth.ravel()
    z, zoom, (lx, ly, lz) = p.z, p.zoom, light
    center = (p.view * tall + p.line + border) * wide + p.column + border

    def tap(right: np.ndarray, up: np.ndarray) -> np.ndarray:
        """Depth at an offset in pixels, cut off at the border."""
        across = np.clip(np.rint(right), -border, border).astype(np.int64)
        down = np.clip(np.rint(up), -border, border).astype(np.int64)
        return flat_depth[center - down * wide + across]

    closed = np.zeros_like(z)
    for dx, dy in ((0.055, 0.01), (-0.055, 0.01), (0.0, 0.06), (0.035, -0.05), (-0.09, 0.06), (0.09, 0.06)):
        rise = tap(np.float32(dx) * zoom, np.float32(dy) * zoom) - z
        closed += np.clip((rise - np.float32(0.015)) * np.float32(14), 0, 1) * (rise < np.float32(0.5))
    shadowed = np.zeros_like(z)
    for reach in (0.07, 0.15):
        far = np.float32(reach)
        rise = tap(far * lx * zoom, far * ly * zoom) - z - far * lz
        shadowed = np.maximum(
            shadowed, np.clip((rise - np.float32(0.01)) * np.float32(30), 0, 1) * (rise < np.float32(0.4))
        )
    return closed / 6, shadowed
