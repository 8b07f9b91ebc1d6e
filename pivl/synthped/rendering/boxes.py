"""Boxes around people as a detector cuts them: tight on the average, never exact, stretched to the pictures' proportions.

A re-identification set holds boxes of a detector, resized to one shape whatever theirs was (Market-1501's are DPM's, at
128 x 64). So is a picture here: the scene is rendered on a canvas CANVAS times as high and wide, a box is cut around
the whole body, hidden pixels of it included, and that is resized. A cell of such a picture is as often person as there.
"""

import numpy as np
from PIL import Image

CANVAS = 1.25  # a canvas' height over the picture's: a cut person has about as many pixels as rendered ones
BOX_DRAWS = 4  # uniform numbers for a box
ABOVE, BELOW = (-0.02, 0.08), (-0.03, 0.07)  # slack over head and under feet, as shares of the body's height
ASIDE = (-0.05, 0.2)  # slack on either side, as a share of the body's width
NARROWEST = 0.36  # a box's width over its height: a detector has no box for somebody seen edge-on

Box = tuple[float, float, float, float]  # left, upper, right, lower in pixels of the canvas, as PIL has them


def canvas_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width of the canvas that a picture of `size` (height, width) is cut from."""
    return round(CANVAS * size[0]), round(CANVAS * size[1])


def draw_box(cover: np.ndarray, draws: np.ndarray) -> Box:
    """Returns the box around a body that covers `cover` bool [H, W], by uniform numbers `draws` [BOX_DRAWS].

    The box lies on the canvas. Without a body it is the whole canvas.
    """
    height, width = cover.shape
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, float(width), float(height)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    slack = [
        low + (high - low) * one for (low, high), one in zip((ABOVE, BELOW, ASIDE, ASIDE), draws, strict=True)
    ]
    tall, wide = bottom - top, right - left
    top, bottom = top - slack[0] * tall, bottom + slack[1] * tall
    left, right = left - slack[2] * wide, right + slack[3] * wide
    lacking = max(0.0, NARROWEST * (bottom - top) - (right - left)) / 2
    left, right = left - lacking, right + lacking
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


def cut_picture(scene: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Returns what `box` holds of `scene` float32 [H, W, 3] in 0..1, as float32 of `size` (height, width)."""
    channels = (Image.fromarray(np.ascontiguousarray(scene[..., one])) for one in range(3))
    cut = [one.resize(size[::-1], Image.Resampling.BILINEAR, box=box) for one in channels]
    return np.stack([np.asarray(one) for one in cut], axis=2)


def cut_labels(part_map: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Returns what `box` holds of `part_map` uint8 [H, W], at `size` (height, width): the nearest pixel's label."""
    return np.asarray(Image.fromarray(part_map).resize(size[::-1], Image.Resampling.NEAREST, box=box))
