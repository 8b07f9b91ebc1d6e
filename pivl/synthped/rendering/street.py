"""What a camera of the embedded benchmark looks at: a wall with doors, windows and a parked car above a pavement.

Drawn once per camera with PIL on a canvas much wider than a picture, so that every image can show another piece of it.
One metre is METRE canvas pixels at the wall. Colours are those of building materials: muted, as in street cameras.
"""

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from pivl.synthped.rendering.paint import CARS, DOORS, GROUNDS, colour_of, grain, pick, shade
from pivl.synthped.rendering.walls import GROUND, METRE, OVERSAMPLE, draw_wall

CANVAS = (320, 960)  # rows, columns


def draw_street(draw: Generator) -> Image.Image:
    """The RGB canvas of one camera: CANVAS rows and columns, wall above row GROUND, pavement below."""
    rows, columns = (side * OVERSAMPLE for side in CANVAS)
    image = Image.new("RGB", (columns, rows))
    pen = ImageDraw.Draw(image)
    draw_wall(pen, columns, draw)
    _draw_ground(pen, rows, columns, draw)
    _draw_fixtures(pen, columns, draw)
    return _weather(image.reduce(OVERSAMPLE), draw)


def _weather(image: Image.Image, draw: Generator) -> Image.Image:
    """Stains, grain and the darker foot of the wall: without them every surface is a flat fill."""
    light = (
        1 + 0.07 * grain(CANVAS, 9, draw) + 0.035 * grain(CANVAS, 60, draw) + 0.03 * grain(CANVAS, 480, draw)
    )
    distance = np.abs(np.arange(CANVAS[0], dtype=np.float32) - GROUND)
    light *= 1 - 0.22 * np.exp(-distance / 9)[:, None]
    left, right = draw.uniform(0.9, 1.1, 2)
    light *= np.linspace(left, right, CANVAS[1])[None].astype(np.float32)
    pixels = np.asarray(image, dtype=np.float32) * light[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


def _draw_ground(pen: ImageDraw.ImageDraw, rows: int, columns: int, draw: Generator) -> None:
    """Slabs in oblique view, or asphalt with a kerb and perhaps a painted line."""
    colour, top = pick(GROUNDS, draw), GROUND * OVERSAMPLE
    pen.rectangle((0, top, columns, rows), fill=colour)
    slabs, slant = int(draw.integers(4, 9)), draw.uniform(-0.9, 0.9)
    joints = [top + (rows - top) * (step / slabs) ** 1.4 for step in range(slabs + 1)]
    width = draw.uniform(0.5, 1.1) * METRE * OVERSAMPLE
    for above, below in pairwise(joints):
        for x in np.arange(-2 * width, columns + 2 * width, width):
            near, far = x + slant * (below - top), x + slant * (above - top)
            corners = ((far, above), (far + width, above), (near + width, below), (near, below))
            pen.polygon(corners, fill=shade(colour, draw.uniform(0.93, 1.05)), outline=shade(colour, 0.82))
    if draw.random() < 0.5:
        kerb = int(joints[1 + draw.integers(2)])
        pen.rectangle((0, kerb, columns, rows), fill=shade(colour, draw.uniform(0.66, 0.85)))
        pen.rectangle((0, kerb, columns, kerb + 5 * OVERSAMPLE), fill=shade(colour, 1.18))
        if draw.random() < 0.5:
            line = kerb + int(draw.uniform(12, 40)) * OVERSAMPLE
            pen.rectangle((0, line, columns, line + 3 * OVERSAMPLE), fill=(168, 166, 150))


def _draw_fixtures(pen: ImageDraw.ImageDraw, columns: int, draw: Generator) -> None:
    """Doors, windows, drainpipes and posts along the wall, then one or two parked cars in front of it."""
    unit, bottom = METRE * OVERSAMPLE, GROUND * OVERSAMPLE
    x = draw.uniform(0.2, 1.5) * unit
    while x < columns:
        kind = draw.random()
        if kind < 0.3:
            x += _door(pen, x, bottom, unit, draw)
        elif kind < 0.65:
            x += _window(pen, x, bottom, unit, draw)
        else:
            width = draw.uniform(0.06, 0.16) * unit
            tone = pick(DOORS, draw)
            pen.rectangle((x, 0, x + width, bottom), fill=tone)
            pen.rectangle((x, 0, x + width * 0.35, bottom), fill=shade(tone, 1.3))
            x += width
        x += draw.uniform(0.5, 2.4) * unit
    for start in draw.uniform(-0.1, 1.0, draw.integers(1, 3)) * columns:
        draw_car(pen, (start, bottom + 9 * OVERSAMPLE), unit * 0.94, draw_car_size(draw), draw)


def _door(pen: ImageDraw.ImageDraw, x: float, bottom: int, unit: float, draw: Generator) -> float:
    width, height, colour = draw.uniform(0.9, 1.7) * unit, draw.uniform(2.0, 2.4) * unit, pick(DOORS, draw)
    pen.rectangle((x, bottom - height, x + width, bottom), fill=shade(colour, 1.35))
    rim = 0.06 * unit
    pen.rectangle((x + rim, bottom - height + rim, x + width - rim, bottom), fill=colour)
    if draw.random() < 0.6:
        _glass(
            pen, (x + 3 * rim, bottom - height + 3 * rim, x + width - 3 * rim, bottom - height * 0.45), draw
        )
    return width


def _window(pen: ImageDraw.ImageDraw, x: float, bottom: int, unit: float, draw: Generator) -> float:
    width, sill, frame = draw.uniform(0.9, 2.6) * unit, draw.uniform(0.5, 1.1) * unit, pick(DOORS, draw)
    top, rim = bottom - draw.uniform(2.0, 2.7) * unit, 0.05 * unit
    pen.rectangle((x - rim, top - rim, x + width + rim, bottom - sill + rim), fill=shade(frame, 1.3))
    panes = int(draw.integers(1, 4))
    for pane in range(panes):
        left = x + width * pane / panes
        _glass(pen, (left + rim / 2, top, left + width / panes - rim / 2, bottom - sill), draw)
    return width


def _glass(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], draw: Generator) -> None:
    left, top, right, bottom = box
    dark = colour_of(np.array((62, 70, 76)) + draw.normal(0, 9) + draw.normal(0, 3, 3))
    pen.rectangle(box, fill=dark)
    edge = left + (right - left) * draw.uniform(0.2, 0.8)
    pen.polygon(((left, top), (edge, top), (left, top + (bottom - top) * 0.8)), fill=shade(dark, 1.3))


def draw_car_size(draw: Generator) -> tuple[float, float]:
    """Length and height, in metres, of a saloon, hatchback or van."""
    return draw.uniform(3.9, 4.6), draw.uniform(1.35, 1.9)


def draw_car(
    pen: ImageDraw.ImageDraw,
    rear: tuple[float, float],
    unit: float,
    size: tuple[float, float],
    draw: Generator,
) -> None:
    """A car of `size` (length, height in metres) from the side, its wheels on the ground at `rear` (x, y); `unit` is
    pixels per metre."""
    (x, bottom), (length, height) = rear, (side * unit for side in size)
    colour = pick(CARS, draw, 6)
    waist, sill = bottom - height * 0.6, bottom - 0.2 * unit
    roof = [(0.14, 1.0), (0.3, 0.0), (0.72, 0.0), (0.9, 1.0)]
    if draw.random() < 0.5:
        roof = [(1 - across, up) for across, up in reversed(roof)]
    cabin = [(x + across * length, bottom - height + up * height * 0.4) for across, up in roof]
    pen.ellipse((x - 4, bottom - 0.08 * unit, x + length + 4, bottom + 0.16 * unit), fill=(40, 40, 42))
    pen.polygon(cabin, fill=shade(colour, 1.06))
    body = (x, waist, x + length, sill)
    pen.rounded_rectangle(body, radius=0.22 * unit, fill=colour)
    pen.rectangle(
        (x + 0.1 * unit, sill - 0.2 * unit, x + length - 0.1 * unit, sill), fill=shade(colour, 0.72)
    )
    pen.line(
        (x + 0.1 * unit, waist + 3, x + length - 0.1 * unit, waist + 3), fill=shade(colour, 1.25), width=2
    )
    centre = sum(point[0] for point in cabin) / 4
    glass = [(centre + (px - centre) * 0.86, waist - (waist - py) * 0.84 - 1) for px, py in cabin]
    pen.polygon(glass, fill=(48, 54, 60))
    pen.line((centre, waist, centre, bottom - height), fill=colour, width=max(2, int(0.07 * unit)))
    for lamp in (x + 0.02 * unit, x + length - 0.2 * unit):
        pen.rectangle(
            (lamp, waist + 0.12 * unit, lamp + 0.18 * unit, waist + 0.26 * unit), fill=(150, 132, 110)
        )
    for wheel in (x + length * 0.19, x + length * 0.81):
        for radius, tone in ((0.33, 26), (0.19, 118), (0.08, 60)):
            edge = radius * unit
            hub = bottom - 0.3 * unit
            pen.ellipse((wheel - edge, hub - edge, wheel + edge, hub + edge), fill=(tone, tone, tone + 2))
