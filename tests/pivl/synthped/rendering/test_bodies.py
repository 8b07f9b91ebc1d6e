"""Bodies of the embedded benchmark: pictures decided by person and view alone, and exact part maps."""

import hashlib
from dataclasses import fields, replace

import numpy as np
import pytest

from pivl.data.part_maps.labels import LIP
from pivl.synthped.person.skeleton import lowest, pose, vector
from pivl.synthped.person.views import Views, draw_views
from pivl.synthped.person.wardrobe import ITEM, People, draw_people
from pivl.synthped.rendering.bodies import Bodies, render_people, solids_of
from pivl.synthped.rendering.raster import FAR, Camera, in_view, rasterise

PART = {part: number for number, part in enumerate(LIP.parts)}
SIZE = (128, 64)


def people_and_views(count: int, seed: int) -> tuple[People, Views]:
    draw = np.random.default_rng(seed)
    return draw_people(count, draw), draw_views(np.arange(count), draw)


def facing(views: Views, yaw: float) -> Views:
    """The views, all from one side, with the head straight and the arms down."""
    zero = np.zeros(len(views))
    straight = {"head_yaw": zero, "left_arm": zero.astype(np.uint8), "right_arm": zero.astype(np.uint8)}
    return replace(views, yaw=zero + yaw, **straight)


def area(bodies: Bodies, part: str) -> np.ndarray:
    return (bodies.part_map == PART[part]).sum(axis=(1, 2))


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("chunk", [5, 12, 24])
def test_a_picture_does_not_depend_on_what_is_drawn_with_it(chunk: int, supersample: int) -> None:
    people, views = people_and_views(26, 1)
    whole = render_people(people, views, SIZE, supersample)
    order = np.random.default_rng(2).permutation(len(views))
    for begin in range(0, len(views), chunk):
        some = order[begin : begin + chunk]
        piece = render_people(people, views.select(some), SIZE, supersample)
        for field in fields(Bodies):
            assert np.array_equal(getattr(piece, field.name), getattr(whole, field.name)[some]), field.name


def test_left_is_the_persons_own() -> None:
    people, views = people_and_views(60, 3)
    for yaw, sign in ((0, 1), (180, -1)):
        part_map = render_people(people, facing(views, yaw)).part_map
        column = np.arange(SIZE[1])
        for left, right in (
            ("left shoe", "right shoe"),
            ("left arm", "right arm"),
            ("left leg", "right leg"),
        ):
            masks = [part_map == PART[name] for name in (left, right)]
            seen = np.logical_and(*(mask.sum(axis=(1, 2)) >= 6 for mask in masks))
            centers = [(mask.sum(1) * column).sum(1)[seen] / mask.sum(axis=(1, 2))[seen] for mask in masks]
            assert seen.sum() >= 15
            assert np.mean(sign * (centers[0] - centers[1]) > 0) == 1, (yaw, left)


def test_a_mirrored_view_swaps_left_and_right() -> None:
    people, views = people_and_views(80, 4)
    alike = ~people.wears("bag", "shoulder bag", "handbag") & ~people.wears("scarf")
    views = views.select(np.flatnonzero(alike))
    mirrored = replace(
        views,
        yaw=-views.yaw,
        head_yaw=-views.head_yaw,
        phase=views.phase + np.pi,
        left_arm=views.right_arm,
        right_arm=views.left_arm,
        foot_x=1 - views.foot_x,
        light_azimuth=-views.light_azimuth,
    )
    plain, other = render_people(people, views), render_people(people, mirrored)
    swapped = LIP.mirror_table()[other.part_map[:, :, ::-1]]
    assert np.mean(swapped == plain.part_map) > 0.9998  # rounding on edges alone


def test_the_face_is_seen_from_the_front_alone() -> None:
    people, views = people_and_views(80, 5)
    front, side, back = (area(render_people(people, facing(views, yaw)), "face") for yaw in (0, 90, 180))
    assert front.min() >= 15
    assert 0.2 * front.mean() < side.mean() < front.mean()
    assert back.mean() < 0.05 * front.mean()
    assert back.max() <= 12  # two ears


def test_a_map_holds_what_the_person_shows_and_in_the_round_all_of_it() -> None:
    people, _ = people_and_views(60, 6)
    seen = np.zeros((len(people), len(LIP.parts)), bool)
    for yaw in range(0, 360, 45):
        views = replace(
            draw_views(np.arange(len(people)), np.random.default_rng(yaw)),
            yaw=np.full(len(people), float(yaw)),
        )
        part_map = render_people(people, views, (256, 128)).part_map
        seen |= np.stack([(part_map == part).any(axis=(1, 2)) for part in range(len(LIP.parts))], axis=1)
    shown = people.shown.copy()
    seen[:, 0] = False
    assert not (seen & ~shown).any(), [LIP.parts[part] for part in np.unique(np.nonzero(seen & ~shown)[1])]
    assert seen[shown].mean() > 0.99


def test_people_stand_on_their_feet_at_the_size_asked() -> None:
    people, views = people_and_views(40, 7)
    views = replace(facing(views, 0), pitch=np.full(40, 2.0))
    bodies = render_people(people, views, (256, 128))
    for number in range(40):
        lines = np.flatnonzero((bodies.part_map[number] > 0).any(axis=1))
        assert abs(lines[-1] / 256 - views.foot_y[number]) < 0.035
        bare_headed = not people.wears("hat")[number] and not people.wears("hair", "curly", "tied")[number]
        if bare_headed:
            height = views.scale[number] * people.height[number] / 1.75
            assert abs((lines[-1] - lines[0]) / 256 - height) < 0.05


def test_the_scan_lines_find_what_a_ray_through_every_pixel_finds() -> None:
    people, views = people_and_views(6, 8)
    skeleton = pose(people, views)
    solids = solids_of(people, skeleton)
    zoom = views.scale * 96 / 1.75
    camera = Camera(
        np.radians(views.yaw), np.radians(views.pitch), zoom, views.foot_x * 48, views.foot_y * 96
    )
    level = np.zeros(6)
    q = in_view(solids, camera, vector(level, lowest(skeleton), level))
    surface = rasterise(q, solids.active, camera, (96, 48))
    for n in range(6):
        x = (np.arange(48) + 0.5 - camera.x[n]) / zoom[n]
        y = (camera.y[n] - np.arange(96)[:, None] - 0.5) / zoom[n]
        nearest, slot = np.full((96, 48), float(FAR)), np.full((96, 48), -1)
        for k in np.flatnonzero(solids.active[:, n]):
            z = _ray(
                x - q.start[0, k, n],
                y - q.start[1, k, n],
                *(form[:, k, n] for form in (q.a, q.b, q.t, q.shape)),
            )
            z = z + q.start[2, k, n]
            closer = z > nearest
            nearest[closer], slot[closer] = z[closer], k
        assert np.mean(slot == surface.slot[n]) > 0.999
        agree = slot == surface.slot[n]
        assert np.abs(nearest - surface.depth[n])[agree].max() < 2e-3


def _ray(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, t: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Depth [H, W] of a^2 + b^2 = f(t) over a solid's start, by the quadratic formula in Z; -inf where a ray misses."""
    f0, f1, f2, _ = shape
    flat = [form[0] * x + form[1] * y for form in (a, b, t)]
    lead = a[2] ** 2 + b[2] ** 2 - f2 * t[2] ** 2
    half = flat[0] * a[2] + flat[1] * b[2] - f2 * flat[2] * t[2] - f1 * t[2] / 2
    rest = flat[0] ** 2 + flat[1] ** 2 - f0 - f1 * flat[2] - f2 * flat[2] ** 2
    with np.errstate(invalid="ignore"):
        z = (-half + np.sqrt(half**2 - lead * rest)) / lead
        height = flat[2] + t[2] * z
        return np.where((height >= 0) & (height <= 1), z, -np.inf)


def test_supersampling_averages_colours_and_never_labels() -> None:
    people, views = people_and_views(8, 9)
    fine, coarse = render_people(people, views, (256, 128)), render_people(people, views, SIZE, supersample=2)
    assert np.array_equal(coarse.part_map, fine.part_map[:, 1::2, 1::2])
    assert np.array_equal(coarse.cover, fine.cover[:, 1::2, 1::2])
    blocks = fine.color.reshape(8, 128, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.allclose(coarse.color * coarse.alpha[..., None], blocks, atol=1e-6)
    assert set(np.unique(coarse.alpha)) <= {0, 0.25, 0.5, 0.75, 1}


def test_colours_and_shadow_are_display_values() -> None:
    people, views = people_and_views(30, 10)
    bodies = render_people(people, views)
    assert bodies.color.dtype == bodies.shadow.dtype == bodies.alpha.dtype == np.float32
    assert bodies.part_map.dtype == np.uint8
    assert bodies.color.min() >= 0
    assert bodies.color.max() <= 1
    assert not bodies.color[~bodies.cover].any()
    assert not bodies.part_map[~bodies.cover].any()
    assert 0.2 < bodies.shadow.min() < 0.8
    assert bodies.shadow.max() == 1


def test_plain_cloth_has_the_colour_of_its_name() -> None:
    people, views = people_and_views(120, 11)
    bodies = render_people(people, facing(views, 0))
    checked = 0
    for part, item in (("pants", "pants"), ("upper clothes", "upper"), ("skirt", "skirt"), ("coat", "coat")):
        plain = people.pattern[:, ITEM[item]] == 0
        for number in np.flatnonzero(plain & (area(bodies, part) > 150)):
            mean = bodies.color[number][bodies.part_map[number] == PART[part]].mean(axis=0)
            ratio = mean / people.rgb[number, ITEM[item]]
            assert ratio.max() < 1.5 * ratio.min() + 0.1
            checked += 1
    assert checked > 80


def test_no_views_give_no_pictures() -> None:
    people, views = people_and_views(3, 19)
    bodies = render_people(people, views.select(slice(0, 0)))
    assert bodies.color.shape == (0, *SIZE, 3)
    assert bodies.part_map.shape == bodies.shadow.shape == (0, *SIZE)


def test_part_maps_are_the_same_on_every_machine() -> None:
    """The benchmark's fingerprint rests on this: geometry in float64, then +, -, *, / and square roots in float32."""
    people, views = people_and_views(64, 20)
    part_map = render_people(people, views).part_map
    assert hashlib.sha256(part_map.tobytes()).hexdigest()[:16] == "047d8d134408ff48"
