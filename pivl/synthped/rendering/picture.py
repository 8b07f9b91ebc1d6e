"""From people and cameras to pictures: bodies, street, other people, objects in front, a detector's box around the
person, and the camera's own marks.

A picture is decided by its person, its camera and its seed, to the bit, whichever pictures are taken with it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import PCG64, Generator

from pivl.synthped.person.views import DRAWS, Views, views_of
from pivl.synthped.person.wardrobe import People
from pivl.synthped.rendering.bodies import Bodies, render_people
from pivl.synthped.rendering.boxes import BOX_DRAWS, canvas_size, cut_labels, cut_picture, draw_box
from pivl.synthped.rendering.camera import Cameras, develop
from pivl.synthped.rendering.scene import build_place, show_prop, show_street

BEHIND, IN_FRONT = 0.23, 0.07  # share of pictures with a second person there
PROPS_SHARE = 0.2  # share of pictures with an object in front
MOST_HIDDEN = 0.5  # whatever would hide more of the person stays out of the picture
CHUNK = 96 * 128 * 64  # pixels worked on at a time: a few dozen bodies share the fixed cost of a call
_EXTRA = 16 + BOX_DRAWS  # uniform numbers of a picture beside those of its two views


@dataclass(frozen=True)
class World:
    """All that pictures can show: the people to be recognised, others who pass by, and the cameras."""

    people: People
    passers_by: People
    cameras: Cameras


def render_pictures(
    world: World, person: np.ndarray, camera: np.ndarray, seeds: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of `person` [N] by `camera` [N] (rows of the world): image uint8 [N, H, W, 3], LIP map uint8 [N, H, W].

    `seeds`: one integer per picture, which decides pose, turn, surroundings and noise. Label 0 is everything that is
    not the person, passers-by and objects in front included. A picture is a box cut around the person (boxes.py).
    """
    image = np.empty((len(seeds), *size, 3), np.uint8)
    part_map = np.empty((len(seeds), *size), np.uint8)
    step = max(4, CHUNK // (size[0] * size[1]))
    for start in range(0, len(seeds), step):
        part = slice(start, start + step)
        image[part], part_map[part] = _render_chunk(world, person[part], camera[part], seeds[part], size)
    return image, part_map


def _render_chunk(
    world: World, person: np.ndarray, camera: np.ndarray, seeds: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    generators = [Generator(PCG64(int(seed))) for seed in seeds]
    uniform = np.stack([generator.random(2 * DRAWS + _EXTRA) for generator in generators])
    first, second, extra = np.split(uniform, (DRAWS, 2 * DRAWS), axis=1)
    views = _place_views(person, world.cameras.select(camera), first, extra[:, :2])
    canvas = canvas_size(size)
    bodies = render_people(world.people, views, canvas)
    behind, front = extra[:, 2] < BEHIND, extra[:, 2] >= 1 - IN_FRONT
    accompanied = np.flatnonzero(behind | front)
    others = _place_others(
        len(world.passers_by),
        views.select(accompanied),
        second[accompanied],
        front[accompanied],
        extra[accompanied, 3:6],
    )
    company = render_people(world.passers_by, others, canvas)
    row_of = {int(place): row for row, place in enumerate(accompanied)}

    images, part_maps = np.empty((len(seeds), *size, 3), np.uint8), np.empty((len(seeds), *size), np.uint8)
    for number, generator in enumerate(generators):
        place, draws = build_place(int(world.cameras.place[camera[number]])), extra[number]
        scene = show_street(place, float(world.cameras.horizon[camera[number]]), draws[6:9], canvas)
        visible = bodies.cover[number].copy()
        row = row_of.get(number)
        if row is not None and behind[number]:
            _paint(scene, company, row)
        _paint(scene, bodies, number)
        if row is not None and front[number] and _hide(visible, company.cover[row], bodies.cover[number]):
            _paint(scene, company, row)
        if draws[9] < PROPS_SHARE:
            color, opacity = show_prop(place, draws[10:13], canvas)
            if _hide(visible, opacity > 0.5, bodies.cover[number]):
                scene += (color - scene) * opacity[..., None]
        box = draw_box(bodies.cover[number], draws[-BOX_DRAWS:])
        part_maps[number] = cut_labels(np.where(visible, bodies.part_map[number], 0), box, size)
        picture = cut_picture(scene, box, size)
        images[number] = develop(picture, world.cameras, int(camera[number]), draws[13:15], generator)
    return images, part_maps


def _place_views(person: np.ndarray, cameras: Cameras, uniform: np.ndarray, turn: np.ndarray) -> Views:
    """Views of `person` [N] by `cameras` [N]: the camera decides direction, scale and light, the draws the rest."""
    views = views_of(person, uniform)
    return replace(
        views,
        yaw=cameras.yaw + cameras.yaw_spread * (2 * turn[:, 0] - 1),
        pitch=cameras.pitch + 3 * (turn[:, 1] - 0.5),
        scale=cameras.scale + 0.3 * (views.scale - 0.84),
        light_azimuth=cameras.light - 180 + 20 * (turn[:, 1] - 0.5),
    )


def _place_others(
    count: int, views: Views, uniform: np.ndarray, front: np.ndarray, draws: np.ndarray
) -> Views:
    """Views of one of `count` passers-by beside each person of `views` [N], smaller behind and larger in front."""
    others = views_of((draws[:, 0] * count).astype(np.int64), uniform)
    side = np.where(draws[:, 1] < 0.5, -1, 1) * (0.2 + 0.36 * draws[:, 2])
    return replace(
        others,
        pitch=views.pitch,
        scale=np.where(front, 1.06 + 0.08 * draws[:, 1], 0.7 + 0.24 * draws[:, 1]) * views.scale,
        foot_x=views.foot_x + side + np.where(front, 0.14 * np.sign(side), 0),
        foot_y=views.foot_y + np.where(front, 0.06, -0.02 - 0.1 * (1 - draws[:, 1])),
        light_azimuth=views.light_azimuth,
        light_elevation=views.light_elevation,
        light_share=views.light_share,
    )


def _paint(scene: np.ndarray, bodies: Bodies, number: int) -> None:
    """Lay body `number` and its shadow over `scene` [H, W, 3], in place."""
    scene *= bodies.shadow[number][..., None]
    scene += (bodies.color[number] - scene) * bodies.alpha[number][..., None]


def _hide(visible: np.ndarray, mask: np.ndarray, cover: np.ndarray) -> bool:
    """Take `mask` out of `visible` in place, unless too little of the body's `cover` would remain; was it done."""
    remaining = visible & ~mask
    if np.count_nonzero(remaining) < (1 - MOST_HIDDEN) * np.count_nonzero(cover):
        return False
    visible[:] = remaining
    return True
