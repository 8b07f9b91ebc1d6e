"""People of the embedded benchmark: pictures decided by person and view alone, exact maps, exact captions."""

import hashlib
from dataclasses import fields, replace

import numpy as np
import pytest

from pivl.data.labels import LIP
from pivl.people import captions, palette
from pivl.people.raster import FAR, Camera, in_view, rasterise
from pivl.people.render import Bodies, Views, draw_views, render_people, solids_of
from pivl.people.skeleton import lowest, pose, vector
from pivl.people.wardrobe import ITEM, ITEMS, KINDS, People, draw_families, draw_people

PART = {part: number for number, part in enumerate(LIP.parts)}
SIZE = (128, 64)


def stream(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def people_and_views(count: int, seed: int) -> tuple[People, Views]:
    draw = stream(seed)
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
    order = stream(2).permutation(len(views))
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
        views = replace(draw_views(np.arange(len(people)), stream(yaw)), yaw=np.full(len(people), float(yaw)))
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


def test_jitter_keeps_a_colour_near_its_name() -> None:
    people = draw_people(500, stream(12))
    clothes = [ITEM[item] for item in ITEMS if item != "hair"]
    assert np.abs(people.rgb - palette.RGB[people.color])[:, clothes].max() < 0.08
    gap = np.sqrt(((palette.RGB[people.color] - palette.RGB[people.second]) ** 2).sum(-1))
    assert gap[:, clothes].min() > 0.4


def test_nobody_wears_what_excludes_itself() -> None:
    people = draw_people(2000, stream(13))
    lower = sum(people.wears(item).astype(int) for item in ("pants", "skirt", "dress", "jumpsuit"))
    upper = sum(people.wears(item).astype(int) for item in ("upper", "dress", "jumpsuit"))
    assert (lower == 1).all()
    assert (upper == 1).all()
    assert people.wears("shoes").all()
    assert people.wears("hair").all()
    two_tone = people.pattern == palette.PATTERNS.index("two-tone")
    assert not two_tone[:, [ITEM[item] for item in ("dress", "pants", "jumpsuit")]].any()
    for item, kinds in KINDS.items():
        assert people.kind[:, ITEM[item]].max() == len(kinds) - 1, item


@pytest.mark.parametrize(("size", "changes"), [(2, 5), (4, 3), (3, 0)])
def test_members_of_a_family_share_all_but_the_changed_items(size: int, changes: int) -> None:
    people = draw_families(50, size, changes, stream(14))
    unseen = [ITEM[item] for item in ("gloves", "sunglasses")]
    for first in range(0, len(people), size):
        for member in range(first + 1, first + size):
            for name in ("height", "build", "figure", "skin", "skin_rgb", "short_sleeves", "texture_seed"):
                assert np.array_equal(getattr(people, name)[first], getattr(people, name)[member])
            pairs = [
                (getattr(people, name)[first], getattr(people, name)[member])
                for name in ("kind", "rgb", "pattern")
            ]
            differ = np.stack([(a != b).reshape(len(ITEMS), -1).any(1) for a, b in pairs]).any(0)
            assert differ.sum() == changes
            assert not differ[unseen].any()
            came_or_went = (pairs[0][0] > 0) != (pairs[0][1] > 0)
            recolored = np.sqrt(((pairs[1][0] - pairs[1][1]) ** 2).sum(-1)) > 0.1
            assert (came_or_went | recolored)[differ].all()


def test_too_many_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 6 items"):
        draw_families(2, 2, 7, stream(0))


def test_a_part_has_a_caption_where_it_can_be_seen_and_names_its_colours() -> None:
    people = draw_people(300, stream(15))
    for number in range(len(people)):
        for part, place in PART.items():
            text = captions.part_caption(people, number, part)
            assert (text is not None) == bool(people.shown[number, place]), part
            if text is not None:
                assert text.startswith("A photo of a person's ")
                assert text.removesuffix(".").endswith(part) or "logo" in text
    striped = np.flatnonzero(people.wears("skirt") & (people.pattern[:, ITEM["skirt"]] == 1))[0]
    first, second = (palette.COLORS[index[striped, ITEM["skirt"]]] for index in (people.color, people.second))
    cut = KINDS["skirt"][people.kind[striped, ITEM["skirt"]]]
    assert (
        captions.part_caption(people, striped, "skirt")
        == f"A photo of a person's {cut} {first} and {second} striped skirt."
    )
    shoe = palette.COLORS[people.color[7, ITEM["shoes"]]]
    assert captions.part_caption(people, 7, "left shoe") == f"A photo of a person's {shoe} left shoe."


def test_captions_are_short_in_known_words_and_name_no_other_colour() -> None:
    people, draw = draw_people(300, stream(16)), stream(17)
    known = set(captions.words())
    assert len(known) < 90
    for number in range(len(people)):
        near_body = [ITEM[item] for item in ITEMS if people.kind[number, ITEM[item]]]
        worn = {palette.COLORS[color] for color in people.color[number, near_body]}
        worn |= {palette.COLORS[color] for color in people.second[number, near_body]}
        worn.add(palette.SKINS[people.skin[number]])
        texts = [
            captions.caption(people, number, draw),
            captions.zoom_caption(people, number, LIP.parts, draw),
        ]
        for text in texts:
            assert text is not None
            spoken = text.removesuffix(".").replace(",", "").split()
            assert set(spoken) <= known
            assert len(spoken) <= 36
            assert set(spoken) & set(palette.COLORS) <= worn


def test_zooming_on_nothing_says_nothing() -> None:
    people = draw_people(5, stream(18))
    assert captions.zoom_caption(people, 0, ["background"], stream(0)) is None
    text = captions.zoom_caption(people, 0, ["face", "left shoe", "background"], stream(0))
    assert text is not None
    assert "face" in text
    assert "left shoe" in text


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
