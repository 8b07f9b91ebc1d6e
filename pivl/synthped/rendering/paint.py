"""Colours and textures of walls, ground and objects: those of building materials, muted as in street cameras."""

from typing import cast

import numpy as np
from numpy.random import Generator
from PIL import Image

Colour = tuple[int, int, int]

WALLS = (
    (128, 126, 122), (156, 150, 138), (152, 132, 104), (122, 84, 70), (112, 92, 78), (160, 140, 108), (182, 174, 156),
    (84, 90, 98), (112, 122, 130), (104, 110, 98), (92, 80, 76), (144, 142, 148),
)  # fmt: skip
GROUNDS = ((122, 120, 116), (104, 104, 106), (140, 134, 124), (92, 90, 88), (132, 122, 112), (112, 116, 120))
DOORS = (
    (62, 66, 74),
    (92, 66, 50),
    (70, 84, 74),
    (108, 100, 92),
    (58, 50, 48),
    (96, 110, 124),
    (120, 62, 54),
)
CARS = (
    (150, 152, 156),
    (44, 46, 50),
    (176, 176, 172),
    (52, 66, 92),
    (102, 48, 46),
    (96, 98, 100),
    (58, 76, 66),
)


def pick(colours: tuple[Colour, ...], draw: Generator, spread: float = 10.0) -> Colour:
    """One of `colours`, each channel moved by a normal error of `spread` grey levels."""
    colour = (
        np.array(colours[draw.integers(len(colours))])
        + draw.normal(0, spread * 0.25, 3)
        + draw.normal(0, spread)
    )
    return colour_of(colour)


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made lighter (factor > 1) or darker."""
    return colour_of(np.array(colour) * factor)


def colour_of(values: np.ndarray) -> Colour:
    """`values` [3] as a colour, kept off pure black and white."""
    return cast(Colour, tuple(int(value) for value in np.clip(values, 8, 246)))


def grain(shape: tuple[int, int], cells: int, draw: Generator) -> np.ndarray:
    """float32 [rows, columns]: smooth noise of unit deviation with about `cells` blobs along the longer side."""
    rows, columns = (max(2, side * cells // max(shape)) for side in shape)
    coarse = Image.fromarray(draw.standard_normal((rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC))
