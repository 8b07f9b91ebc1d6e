"""The wall at the back of a street: stretches of brick, panels, plaster, hedge and shutter."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import ImageDraw

from pivl.synthped.rendering.paint import WALLS, Colour, colour_of, pick, shade

GROUND = 200  # the canvas row where the wall meets the pavement
METRE = 62  # canvas pixels per metre at the wall
OVERSAMPLE = 2  # drawn at twice the size and reduced, which smooths every edge


def draw_wall(pen: ImageDraw.ImageDraw, columns: int, draw: Generator) -> None:
    """Stretches of brick, panels, plaster, hedge or shutter, 2 to 6 m each."""
    surfaces: tuple[Callable[..., None], ...] = (
        _brick,
        _brick,
        _panels,
        _plaster,
        _plaster,
        _hedge,
        _shutter,
    )
    first, second = pick(WALLS, draw), pick(WALLS, draw)
    left = 0
    while left < columns:
        right = min(columns, left + int(draw.uniform(2.0, 6.0) * METRE * OVERSAMPLE))
        surface = surfaces[draw.integers(len(surfaces))]
        surface(pen, (left, 0, right, GROUND * OVERSAMPLE), first if draw.random() < 0.65 else second, draw)
        left = right


def _brick(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, draw: Generator) -> None:
    left, top, right, bottom = box
    joint = shade(colour, draw.uniform(0.75, 1.2))
    pen.rectangle(box, fill=joint)
    height, width = 6 * OVERSAMPLE, 17 * OVERSAMPLE
    for row, y in enumerate(range(bottom - height, top - height, -height)):
        tones = draw.uniform(0.86, 1.1, (right - left) // width + 2)
        for x, tone in zip(range(left - row % 2 * width // 2, right, width), tones, strict=False):
            brick = (max(left, x), y, min(right, x + width - OVERSAMPLE), y + height - OVERSAMPLE)
            if brick[2] > brick[0]:
                pen.rectangle(brick, fill=shade(colour, tone))


def _panels(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, draw: Generator
) -> None:
    left, top, right, bottom = box
    width, height = (int(draw.uniform(0.7, 1.6) * METRE * OVERSAMPLE) for _ in range(2))
    for x in range(left, right, width):
        for y in range(bottom - height, top - height, -height):
            tone = draw.uniform(0.92, 1.06)
            pen.rectangle(
                (x, y, min(right, x + width), y + height),
                fill=shade(colour, tone),
                outline=shade(colour, 0.7),
            )


def _plaster(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, draw: Generator
) -> None:
    left, _, right, bottom = box
    pen.rectangle(box, fill=shade(colour, 1.05))
    base = bottom - int(draw.uniform(0.2, 0.8) * METRE * OVERSAMPLE)
    pen.rectangle((left, base, right, bottom), fill=shade(colour, draw.uniform(0.6, 0.85)))


def _hedge(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, draw: Generator) -> None:
    """A hedge in front of the wall: leaf-sized blots, lighter towards the top."""
    left, _, right, bottom = box
    _plaster(pen, box, colour, draw)
    top = bottom - int(draw.uniform(1.0, 2.4) * METRE * OVERSAMPLE)
    green = np.array((58, 70, 46)) + draw.normal(0, 6, 3)
    pen.rectangle((left, top + 4, right, bottom), fill=colour_of(green * 0.6))
    count = (right - left) * (bottom - top) // 90
    xs, ys = draw.uniform(left, right, count), bottom - (bottom - top) * draw.random(count) ** 0.9
    tones = draw.uniform(0.55, 1.05, count) + 0.5 * (bottom - ys) / (bottom - top)
    for x, y, tone, radius in zip(xs, ys, tones, draw.uniform(2, 6, count), strict=True):
        pen.ellipse(
            (x - radius, y - radius * 0.7, x + radius, y + radius * 0.7), fill=colour_of(green * tone)
        )


def _shutter(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, draw: Generator
) -> None:
    left, top, right, bottom = box
    pen.rectangle(box, fill=shade(colour, 0.9))
    slat = int(draw.uniform(4, 8)) * OVERSAMPLE
    for y in range(bottom - int(2.6 * METRE * OVERSAMPLE), bottom, slat):
        pen.rectangle((left, y, right, y + slat // 3), fill=shade(colour, 0.68))
    pen.rectangle((left, top, right, bottom - int(2.6 * METRE * OVERSAMPLE)), fill=shade(colour, 0.8))
