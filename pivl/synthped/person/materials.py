"""Materials: what each surface of a body is made of, its LIP label, its colours and its pattern."""

from dataclasses import dataclass

import numpy as np

from pivl.synthped.person.palette import PATTERNS
from pivl.synthped.person.wardrobe import ITEM, People

MATERIALS = (
    "face", "nape", "left arm", "right arm", "left leg", "right leg", "hair", "hat", "left glove", "right glove",
    "sunglasses", "top", "inner", "lower", "skirt", "socks", "left shoe", "right shoe", "left sole", "right sole",
    "scarf", "bag", "strap", "belt", "eye", "lips", "coat", "button",
)  # fmt: skip
M = {name: place for place, name in enumerate(MATERIALS)}

# Where a two-tone garment changes its colour: height above the hips in metres of a 1.75 m body.
_SPLIT = {"upper": 0.25, "coat": 0.21, "skirt": -0.22}


@dataclass(frozen=True)
class Materials:
    """Per material and view: label and pattern uint8 [M, N], color and second float32 [M, N, 3], split float32 [M, N].

    Two-tone cloth changes colour at the height `split`. Per material, float32 [M]: gloss, weave (folds and grain).
    """

    label: np.ndarray
    color: np.ndarray
    second: np.ndarray
    pattern: np.ndarray
    split: np.ndarray
    gloss: np.ndarray
    weave: np.ndarray


_SKIN = {"face": 13, "nape": 0, "left arm": 14, "right arm": 15, "left leg": 16, "right leg": 17}
_ITEM_OF = {
    "hair": (2, "hair"), "hat": (1, "hat"), "left glove": (3, "gloves"), "right glove": (3, "gloves"),
    "sunglasses": (4, "sunglasses"), "socks": (8, "socks"), "left shoe": (18, "shoes"), "right shoe": (19, "shoes"),
    "scarf": (11, "scarf"), "bag": (0, "bag"), "coat": (7, "coat"),
}  # fmt: skip
_SURFACE = {  # gloss, and how much folds and grain show; others 0.04 and 1
    "hair": (0.16, 0.5), "sunglasses": (0.5, 0.0), "left shoe": (0.16, 0.2), "right shoe": (0.16, 0.2),
    "bag": (0.12, 0.4), "face": (0.07, 0.0), "left arm": (0.07, 0.0), "right arm": (0.07, 0.0), "left leg": (0.06, 0.0),
    "right leg": (0.06, 0.0), "nape": (0.06, 0.0), "eye": (0.1, 0.0), "lips": (0.08, 0.0), "left sole": (0.03, 0.0),
    "right sole": (0.03, 0.0),
}  # fmt: skip


def materials_of(people: People) -> Materials:
    """The materials of N bodies, `people` being one row per view.

    Label of the neck: LIP has no neck class; its skin in front is face, the nape behind is 0 like a bag, so that no
    face remains on a person seen from behind.
    """
    shape = (len(MATERIALS), len(people))
    blank = np.zeros((*shape, 3), np.float32)
    surface = np.array([_SURFACE.get(name, (0.04, 1.0)) for name in MATERIALS], np.float32)
    materials = Materials(
        label=np.zeros(shape, np.uint8),
        color=blank,
        second=blank.copy(),
        pattern=np.zeros(shape, np.uint8),
        split=np.zeros(shape, np.float32),
        gloss=surface[:, 0],
        weave=surface[:, 1],
    )
    _fill_clothes(materials, people)
    _fill_plain(materials, people)
    return materials


def _fill_clothes(materials: Materials, people: People) -> None:
    """Fill in, in place, whatever takes colours and pattern from an item."""
    rows = np.arange(len(people))
    heights = np.array([_SPLIT.get(kind, 0.0) for kind in ITEM])

    def dress_in(name: str, part: int | np.ndarray, item: np.ndarray) -> None:
        row = M[name]
        materials.label[row] = part
        materials.color[row], materials.second[row] = people.rgb[rows, item], people.second_rgb[rows, item]
        materials.pattern[row] = people.pattern[rows, item]
        materials.split[row] = heights[item]

    for name, (part, item) in _ITEM_OF.items():
        dress_in(name, part, np.full(len(people), ITEM[item]))
    jumpsuit, dress, coat = people.wears("jumpsuit"), people.wears("dress"), people.wears("coat")
    inner = np.where(jumpsuit, ITEM["jumpsuit"], np.where(dress, ITEM["dress"], ITEM["upper"]))
    inner_part = np.where(jumpsuit, 10, np.where(dress, 6, 5))
    dress_in("inner", inner_part, inner)
    dress_in("top", np.where(coat, 7, inner_part), np.where(coat, ITEM["coat"], inner))
    dress_in("lower", np.where(jumpsuit, 10, 9), np.where(jumpsuit, ITEM["jumpsuit"], ITEM["pants"]))
    dress_in("skirt", np.where(dress, 6, 12), np.where(dress, ITEM["dress"], ITEM["skirt"]))


def _fill_plain(materials: Materials, people: People) -> None:
    """Fill in, in place, skin and trimmings, which have one colour; clothes must be there."""
    label, color = materials.label, materials.color

    def paint(name: str, part: int | np.ndarray, rgb: np.ndarray) -> None:
        label[M[name]], color[M[name]], materials.second[M[name]] = part, rgb, rgb

    skin, shoe = people.skin_rgb, people.rgb[:, ITEM["shoes"]]
    for name, part in _SKIN.items():
        paint(name, part, skin)
    paint("eye", 13, np.array([0.10, 0.08, 0.08]) + 0.15 * skin)
    paint("lips", 13, skin * np.array([0.86, 0.62, 0.62]))
    sole = np.where(shoe.mean(-1, keepdims=True) > 0.35, 0.25 * shoe + 0.1, np.float32(0.5) * shoe)
    pale = (people.texture_seed % 3 == 0)[:, None] & ~people.wears("shoes", "boots")[:, None]
    sole = np.where(pale, np.float32(0.85), sole)
    paint("left sole", 18, sole)
    paint("right sole", 19, sole)
    paint("strap", 0, people.rgb[:, ITEM["bag"]] * np.float32(0.75))
    paint("belt", label[M["lower"]], np.array([0.16, 0.12, 0.10]))
    paint("button", label[M["top"]], color[M["top"]] * np.float32(0.55))


def second_color_shows(
    pattern: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    side: np.ndarray,
    in_front: np.ndarray,
    split: np.ndarray,
) -> np.ndarray:
    """bool [n]: where a patterned surface shows its second colour.

    u counts repeats around the solid, v is the height on the body and side the distance from the middle of the solid
    in metres, in_front whether a logo may stand there.
    """
    across = v * 8.0
    rings = across - np.floor(across) < 0.42
    columns = u - np.floor(u) < 0.36
    half = u - np.floor(u) < 0.5
    bands = np.floor(across * 1.15).astype(np.int64) & 1
    choice = np.stack(
        [
            np.zeros(len(u), bool),
            rings,
            columns,
            half ^ (bands == 1),
            v > split,
            in_front & (np.abs(side) < 0.062) & (np.abs(v - 0.31) < 0.055),
        ]
    )
    assert len(choice) == len(PATTERNS)
    return choice[pattern, np.arange(len(u))]
