"""People and views to pictures: colours, exact LIP part maps and the shadow on the ground.

A picture depends on its person and its view alone, never on its place in a batch or on how many are drawn together.
"""

from dataclasses import dataclass

import numpy as np

from pivl.synthped.person.accessories import add_accessories
from pivl.synthped.person.head import add_head
from pivl.synthped.person.limbs import add_arms, add_legs
from pivl.synthped.person.materials import materials_of
from pivl.synthped.person.skeleton import Skeleton, lowest, pose, vector
from pivl.synthped.person.solids import SolidList, Solids
from pivl.synthped.person.trunk import add_hems, add_trunk
from pivl.synthped.person.views import ARMS, DRAWS, Views, draw_views, views_of
from pivl.synthped.person.wardrobe import People
from pivl.synthped.rendering.raster import Camera, in_view, rasterise
from pivl.synthped.rendering.shading import Light, shade

__all__ = ["ARMS", "DRAWS", "Bodies", "Views", "draw_views", "render_people", "views_of"]

_PIXELS_AT_ONCE = 400_000  # more leaves the cache: keeps fragment arrays within a few megabytes


@dataclass(frozen=True)
class Bodies:
    """N rendered people: color float32 [N, H, W, 3], sRGB in 0..1, 0 where alpha is 0; the rest [N, H, W].

    alpha float32: share of the pixel covered, 0 or 1 without supersampling. part_map uint8: LIP ids, 0 elsewhere and on
    bags and the nape. cover bool: person or bag. shadow float32: factor on the ground, 1 in full light.
    """

    color: np.ndarray
    alpha: np.ndarray
    part_map: np.ndarray
    cover: np.ndarray
    shadow: np.ndarray


def render_people(
    people: People, views: Views, size: tuple[int, int] = (128, 64), supersample: int = 1
) -> Bodies:
    """Render `views` of `people` at `size` (height, width); supersample s averages s x s colours, never labels."""
    step = max(4, _PIXELS_AT_ONCE // (size[0] * size[1] * supersample**2))
    pieces = [
        _render(people, views.select(slice(i, i + step)), size, supersample)
        for i in range(0, len(views), step)
    ]
    if not pieces:
        pieces = [_empty(size)]
    return Bodies(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in Bodies.__dataclass_fields__)
    )


def solids_of(people: People, skeleton: Skeleton) -> Solids:
    """Every solid of N dressed bodies, `people` being one row per body."""
    solids = SolidList(len(people))
    for add in (add_head, add_trunk, add_hems, add_arms, add_legs, add_accessories):
        add(solids, people, skeleton)
    return solids.stack()


def _render(people: People, views: Views, size: tuple[int, int], supersample: int) -> Bodies:
    """One chunk of `render_people`."""
    people = people.select(views.person)
    skeleton = pose(people, views)
    solids = solids_of(people, skeleton)
    height, width = size[0] * supersample, size[1] * supersample
    camera = Camera(
        yaw=np.radians(views.yaw),
        pitch=np.radians(views.pitch),
        zoom=views.scale * height / 1.75,
        x=views.foot_x * width,
        y=views.foot_y * height,
    )
    level = np.zeros(len(views))
    quadrics = in_view(solids, camera, vector(level, lowest(skeleton), level))
    surface = rasterise(quadrics, solids.active, camera, (height, width))
    light = _light(views, camera)
    color, label = shade(surface, quadrics, solids, materials_of(people), camera, light, people.texture_seed)
    cover = surface.slot >= 0
    shadow = _ground_shadow(people, views, skeleton, camera, (height, width))
    if supersample == 1:
        return Bodies(color, cover.astype(np.float32), label, cover, shadow)
    alpha = _average(cover.astype(np.float32), supersample)
    color = _average(color, supersample) / np.maximum(alpha, np.float32(1e-6))[..., None]
    sample = (
        slice(None),
        slice(supersample // 2, None, supersample),
        slice(supersample // 2, None, supersample),
    )
    return Bodies(color, alpha, label[sample], cover[sample], _average(shadow, supersample))


def _average(image: np.ndarray, by: int) -> np.ndarray:
    """The mean over by x by blocks of [N, H, W, ...]."""
    count, height, width = image.shape[:3]
    blocks = image.reshape(count, height // by, by, width // by, by, *image.shape[3:])
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _light(views: Views, camera: Camera) -> Light:
    """The light of each view in view axes."""
    azimuth, elevation = np.radians(views.light_azimuth), np.radians(views.light_elevation)
    level = vector(
        np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)
    )
    return Light(
        camera.tilt(level), np.asarray(views.light_share), camera.tilt(vector(0.0, np.ones(len(views)), 0.0))
    )


def _ground_shadow(
    people: People, views: Views, skeleton: Skeleton, camera: Camera, size: tuple[int, int]
) -> np.ndarray:
    """float32 [N, H, W]: dark under the feet, a soft ellipse away from the light; each pixel is traced to the ground."""
    cast = np.float32(1) / np.tan(np.radians(views.light_elevation))
    azimuth = np.radians(views.light_azimuth)
    away = np.stack([-np.sin(azimuth), -np.cos(azimuth)]).astype(np.float32)
    long = (0.5 * people.height * cast).astype(np.float32)

    def column(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None]

    x = (np.arange(size[1], dtype=np.float32) + np.float32(0.5) - column(camera.x)) / column(camera.zoom)
    steep = np.maximum(np.sin(camera.pitch), 0.06)
    rows = np.arange(size[0], dtype=np.float32)[None, :, None] + np.float32(0.5)
    z = (rows - column(camera.y)) / column(camera.zoom * steep)
    ax, az = column(away[0]), column(away[1])
    along, across = x * ax + z * az, x * az - z * ax
    long3 = column(long)
    q = ((along - long3) / (long3 + np.float32(0.15))) ** 2 + (across * np.float32(1 / 0.22)) ** 2
    shadow = 1 - np.float32(0.45) * column(views.light_share) * np.maximum(1 - q, 0)
    for ankle in skeleton.ankle:
        fx, _, fz = camera.level(ankle)
        q = ((x - column(fx)) * np.float32(1 / 0.17)) ** 2 + ((z - column(fz)) * np.float32(1 / 0.26)) ** 2
        shadow = shadow * (1 - np.float32(0.45) * np.maximum(1 - q, 0))
    return shadow


def _empty(size: tuple[int, int]) -> Bodies:
    """No pictures of `size`."""
    plane = np.zeros((0, *size), np.float32)
    return Bodies(
        np.zeros((0, *size, 3), np.float32), plane, plane.astype(np.uint8), plane.astype(bool), plane
    )
