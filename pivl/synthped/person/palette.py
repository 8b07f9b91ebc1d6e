"""The sixteen colours and six patterns that clothes of the embedded benchmark may have, and the colours of skin and hair.

Values are sRGB in 0..1, muted as a surveillance camera shows them; each item jitters its colour a little (`jittered`).
"""

import numpy as np

COLORS = (
    "black", "white", "gray", "red", "green", "blue", "yellow", "orange",
    "purple", "pink", "brown", "beige", "navy", "teal", "olive", "maroon",
)  # fmt: skip
PATTERNS = ("plain", "striped", "pinstriped", "checked", "two-tone", "logo")
SKINS = ("pale", "tan", "brown", "dark")

RGB = np.array(
    [
        [0.11, 0.11, 0.12], [0.89, 0.89, 0.87], [0.53, 0.53, 0.54], [0.68, 0.15, 0.15],
        [0.17, 0.45, 0.24], [0.21, 0.38, 0.71], [0.88, 0.75, 0.25], [0.85, 0.46, 0.16],
        [0.42, 0.22, 0.54], [0.87, 0.57, 0.67], [0.41, 0.27, 0.17], [0.77, 0.69, 0.55],
        [0.13, 0.17, 0.35], [0.14, 0.52, 0.52], [0.41, 0.43, 0.21], [0.41, 0.11, 0.17],
    ]
)  # fmt: skip
SKIN_RGB = np.array([[0.88, 0.69, 0.59], [0.77, 0.57, 0.44], [0.56, 0.38, 0.27], [0.35, 0.23, 0.17]])

# How often a garment, and shoes, bags or hats, have each colour: dark and grey dominate in the street.
CLOTHES_WEIGHTS = np.array([10, 8, 8, 6, 5, 7, 4, 4, 4, 4, 5, 6, 7, 4, 5, 4], float)
LEATHER_WEIGHTS = np.array([12, 9, 6, 5, 2, 4, 3, 3, 2, 3, 9, 4, 4, 2, 3, 3], float)
PATTERN_WEIGHTS = np.array([46, 14, 10, 12, 8, 10], float)
QUIET_WEIGHTS = np.array([78, 4, 6, 6, 6, 0], float)  # trousers, skirts and coats are mostly plain
SKIN_WEIGHTS = np.array([38, 28, 19, 15], float)

# Hair takes six of the colours, with tones of its own; yellow hair is called blond.
HAIR_COLORS = np.array(
    [COLORS.index(name) for name in ("black", "brown", "yellow", "orange", "gray", "maroon")]
)
HAIR_WEIGHTS = np.array([32, 32, 16, 7, 9, 4], float)
HAIR_RGB = np.array(
    [
        [0.09, 0.08, 0.08], [0.30, 0.19, 0.12], [0.76, 0.62, 0.34],
        [0.62, 0.30, 0.12], [0.60, 0.60, 0.61], [0.36, 0.10, 0.12],
    ]
)  # fmt: skip


def _ranked_by_distance(least: float) -> list[np.ndarray]:
    """For each colour, the colours at an RGB distance of at least `least`, clearly another to the eye."""
    distance = np.sqrt(((RGB[:, None] - RGB[None]) ** 2).sum(-1))
    return [np.flatnonzero(row >= least) for row in distance]


_FAR = _ranked_by_distance(0.45)


def choose(weights: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Indices drawn with probability proportional to `weights` from uniform numbers in [0, 1); any shape."""
    return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], uniform, side="right")


def another_color(color: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """For each colour index of `color`, the index of a colour clearly unlike it; same shape."""
    counts = np.array([len(far) for far in _FAR])
    table = np.zeros((len(COLORS), counts.max()), int)
    for row, far in zip(table, _FAR, strict=True):
        row[: len(far)] = far
    return table[color, (uniform * counts[color]).astype(int)]


def another_hair_color(color: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """For each hair colour (an index into COLORS), one of the five others."""
    place = np.searchsorted(np.sort(HAIR_COLORS), color)
    rank = np.argsort(HAIR_COLORS)[place]
    return HAIR_COLORS[(rank + 1 + (uniform * 5).astype(int)) % 6]


def jittered(rgb: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """`rgb` [..., 3] shifted in brightness (up to .045) and in each channel (up to .02) by uniform [..., 4], clipped."""
    shift = 0.045 * (2 * uniform[..., :1] - 1) + 0.02 * (2 * uniform[..., 1:] - 1)
    return np.clip(rgb + shift, 0.04, 0.96)


def color_of(item_is_hair: np.ndarray, color: np.ndarray) -> np.ndarray:
    """The unjittered RGB [..., 3] of colour indices, hair having tones of its own."""
    hair_tone = RGB.copy()
    hair_tone[HAIR_COLORS] = HAIR_RGB
    return np.where(item_is_hair[..., None], hair_tone[color], RGB[color])
