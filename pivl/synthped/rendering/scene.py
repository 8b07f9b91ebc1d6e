"""The surroundings of a picture: a piece of its camera's street behind the person, at times an object in front.

A `Place` belongs to a camera and is drawn once from the camera's seed; what a picture shows of it is decided by that
picture's own uniform draws, so a picture never depends on the others of its batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import PCG64, Generator
from PIL import Image, ImageDraw

from pivl.synthped.rendering.paint import CARS, DOORS, WALLS, colour_of, pick, shade
from pivl.synthped.rendering.street import CANVAS, draw_car, draw_car_size, draw_street
from pivl.synthped.rendering.walls import GROUND

CROP = 165  # canvas rows that a picture shows at zoom 1: 2.7 m at the wall
PROPS = 4  # objects that may stand in front of people, per place
PROP_SCALE = 240  # sprite pixels per picture height


@dataclass(frozen=True)
class Prop:
    """An object in front of people: an RGBA sprite and its size as fractions of the picture's height."""

    sprite: Image.Image
    height: float
    width: float


@dataclass(frozen=True)
class Place:
    """What a camera sees without people: its street and the objects that may stand in front."""

    street: Image.Image
    props: tuple[Prop, ...]


@lru_cache(maxsize=48)
def build_place(seed: int) -> Place:
    """The place of a camera; the same for the same seed. About 40 ms, and 1 MB while it is kept."""
    draw = Generator(PCG64(seed))
    street = draw_street(draw)
    makers = (_post, _box, _box, _planter, _parked_car, _parked_car, _board)
    return Place(street, tuple(makers[draw.integers(len(makers))](draw) for _ in range(PROPS)))


def show_street(place: Place, horizon: float, draws: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [H, W, 3] in 0..1: a crop of the street whose wall meets the ground near row `horizon` * H.

    `draws`: three uniform numbers for the zoom, the place along the street and the height of the horizon.
    """
    rows = CROP * (0.78 + 0.5 * draws[0])
    columns = rows * size[1] / size[0]
    left = draws[1] * (CANVAS[1] - columns)
    top = min(max(0.0, GROUND - rows * (horizon + 0.1 * (draws[2] - 0.5))), CANVAS[0] - rows)
    box = (left, top, left + columns, top + rows)
    crop = place.street.resize(size[::-1], Image.Resampling.BILINEAR, box=box)
    return np.asarray(crop, dtype=np.float32) * np.float32(1 / 255)


def show_prop(place: Place, draws: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One of the place's objects as colour float32 [H, W, 3] in 0..1 and opacity float32 [H, W].

    `draws`: three uniform numbers for the object, its place across the picture and its height.
    """
    prop = place.props[int(draws[0] * len(place.props))]
    scale = 0.85 + 0.3 * draws[2]
    height, width = (max(2, round(side * scale * size[0])) for side in (prop.height, prop.width))
    left = round(-0.75 * width + draws[1] * (size[1] + 0.5 * width))
    layer = Image.new("RGBA", size[::-1])
    layer.paste(prop.sprite.resize((width, height), Image.Resampling.BILINEAR), (left, size[0] - height))
    pixels = np.asarray(layer, dtype=np.float32) * np.float32(1 / 255)
    return pixels[..., :3], pixels[..., 3]


def _sprite(
    height: float, width: float, paint: Callable[[ImageDraw.ImageDraw, int, int], None], draw: Generator
) -> Prop:
    """A prop painted at twice the sprite's size; a grain keeps its surfaces from looking like flat fills."""
    rows, columns = (int(side * PROP_SCALE) * 2 for side in (height, width))
    image = Image.new("RGBA", (columns, rows))
    paint(ImageDraw.Draw(image), rows, columns)
    pixels = np.array(image.reduce(2), dtype=np.float32)
    light = draw.normal(1, 0.035, pixels.shape[:2]) * np.linspace(1.08, 0.84, len(pixels))[:, None]
    pixels[..., :3] *= light[..., None]
    return Prop(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), height, width)


def _post(draw: Generator) -> Prop:
    """A lamp post, pillar or trunk higher than the picture, lit from one side."""
    colour, side = pick(DOORS + WALLS, draw), draw.uniform(0.2, 0.8)

    def paint(pen: ImageDraw.ImageDraw, rows: int, columns: int) -> None:
        for x in range(columns):
            pen.line((x, 0, x, rows), fill=(*shade(colour, 1.15 - 0.75 * abs(x / columns - side)), 255))

    return _sprite(1.2, draw.uniform(0.035, 0.1), paint, draw)


def _box(draw: Generator) -> Prop:
    """A bin, crate or street cabinet: front and top face, a seam and a dark foot."""
    colour, depth = pick(DOORS + CARS, draw), draw.uniform(0.06, 0.14)
    seam = draw.uniform(0.3, 0.7)

    def paint(pen: ImageDraw.ImageDraw, rows: int, columns: int) -> None:
        lid, inset = int(depth * rows), int(0.08 * columns)
        pen.polygon(
            ((inset, 0), (columns - inset, 0), (columns, lid), (0, lid)), fill=(*shade(colour, 1.35), 255)
        )
        pen.rectangle((0, lid, columns, rows), fill=(*colour, 255))
        pen.rectangle((0, lid, columns, lid + rows // 30), fill=(*shade(colour, 0.7), 255))
        pen.line((seam * columns, lid, seam * columns, rows), fill=(*shade(colour, 0.6), 255), width=4)
        pen.rectangle((int(0.86 * columns), lid, columns, rows), fill=(*shade(colour, 0.78), 255))

    return _sprite(draw.uniform(0.2, 0.4), draw.uniform(0.22, 0.42), paint, draw)


def _planter(draw: Generator) -> Prop:
    """A low tub with a shrub."""
    colour, green = pick(WALLS, draw), np.array((58, 72, 44)) + draw.normal(0, 7, 3)
    leaves = draw.uniform(0, 1, (500, 3))

    def paint(pen: ImageDraw.ImageDraw, rows: int, columns: int) -> None:
        pen.rectangle((0.08 * columns, 0.62 * rows, 0.92 * columns, rows), fill=(*shade(colour, 0.9), 255))
        pen.rectangle(
            (0.04 * columns, 0.6 * rows, 0.96 * columns, 0.68 * rows), fill=(*shade(colour, 1.1), 255)
        )
        pen.ellipse(
            (0.02 * columns, 0.08 * rows, 0.98 * columns, 0.9 * rows - 0.25 * rows),
            fill=(*colour_of(green * 0.6), 255),
        )
        for angle, radius, tone in leaves:
            x = columns * (0.5 + 0.47 * radius**0.5 * np.cos(6.2832 * angle))
            y = rows * (0.36 + 0.33 * radius**0.5 * np.sin(6.2832 * angle))
            leaf = (x - 7, y - 5, x + 7, y + 5)
            pen.ellipse(leaf, fill=(*colour_of(green * (0.6 + 0.5 * tone - 0.5 * (y / rows - 0.36))), 255))

    return _sprite(draw.uniform(0.22, 0.38), draw.uniform(0.35, 0.6), paint, draw)


def _parked_car(draw: Generator) -> Prop:
    """A car between the camera and the person, of which the picture holds the upper part."""
    length, height = draw_car_size(draw)

    def paint(pen: ImageDraw.ImageDraw, rows: int, columns: int) -> None:
        unit = 0.96 * columns / length
        draw_car(pen, (columns * 0.02, height * unit), unit, (length, height), draw)

    return _sprite(draw.uniform(0.36, 0.5), 0.52 * length, paint, draw)


def _board(draw: Generator) -> Prop:
    """An advertising board or notice on the pavement."""
    frame, sheet, lines = pick(DOORS, draw), pick(WALLS, draw), draw.uniform(0.3, 0.9, 6)

    def paint(pen: ImageDraw.ImageDraw, rows: int, columns: int) -> None:
        rim = columns // 12
        pen.rectangle((0, 0, columns, rows), fill=(*frame, 255))
        pen.rectangle((rim, rim, columns - rim, rows - rim), fill=(*shade(sheet, 1.1), 255))
        for number, length in enumerate(lines):
            y = rows * (0.15 + 0.12 * number)
            pen.rectangle(
                (2 * rim, y, 2 * rim + length * (columns - 4 * rim), y + rows * 0.05),
                fill=(*shade(sheet, 0.55), 255),
            )

    return _sprite(draw.uniform(0.28, 0.42), draw.uniform(0.18, 0.28), paint, draw)
