"""Who the people of the embedded benchmark are: body, skin, hair and clothes, drawn singly or as look-alikes.

Everything is an array over P people; a person is one row. Clothes are items; an item of kind 0 is not worn.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from pivl.data.part_maps.labels import LIP
from pivl.synthped.person import palette

# What each item can be. Kind 0 is always "none".
KINDS: dict[str, tuple[str, ...]] = {
    "hat": ("none", "cap", "beanie", "brimmed hat"),
    "hair": ("none", "short", "bobbed", "long", "tied", "curly"),
    "gloves": ("none", "gloves"),
    "sunglasses": ("none", "sunglasses"),
    "upper": ("none", "tucked", "untucked", "hooded"),
    "dress": ("none", "short", "long"),
    "coat": ("none", "jacket", "open jacket", "long coat", "open long coat"),
    "socks": ("none", "ankle", "knee"),
    "pants": ("none", "trousers", "wide trousers", "shorts"),
    "jumpsuit": ("none", "jumpsuit"),
    "scarf": ("none", "scarf"),
    "skirt": ("none", "short", "long"),
    "shoes": ("none", "shoes", "boots"),
    "bag": ("none", "backpack", "shoulder bag", "handbag"),
}
ITEMS = tuple(KINDS)
ITEM = {name: place for place, name in enumerate(ITEMS)}
_PATTERNED = np.array(
    [name in ("upper", "dress", "coat", "pants", "jumpsuit", "scarf", "skirt") for name in ITEMS]
)
_QUIET = np.array([name in ("coat", "pants", "skirt", "jumpsuit") for name in ITEMS])
_LEATHER = np.array([name in ("hat", "gloves", "sunglasses", "shoes", "bag") for name in ITEMS])
_IS_HAIR = np.array([name == "hair" for name in ITEMS])
_TWO_TONE = palette.PATTERNS.index("two-tone")
_LOGO = palette.PATTERNS.index("logo")


@dataclass(frozen=True)
class People:
    """P people. Per person: height (m), build (-1 slim to 1 heavy), figure (0 broad shoulders to 1 wide hips), float32
    [P]; skin index [P] and skin_rgb [P, 3]; short_sleeves bool [P]; texture_seed int64 [P].

    Per item (columns in the order of ITEMS): kind, color, second, pattern uint8 [P, I], rgb and second_rgb float32
    [P, I, 3].
    """

    height: np.ndarray
    build: np.ndarray
    figure: np.ndarray
    skin: np.ndarray
    skin_rgb: np.ndarray
    short_sleeves: np.ndarray
    texture_seed: np.ndarray
    kind: np.ndarray
    color: np.ndarray
    second: np.ndarray
    pattern: np.ndarray
    rgb: np.ndarray
    second_rgb: np.ndarray

    def __len__(self) -> int:
        return len(self.height)

    def select(self, index: np.ndarray | slice) -> "People":
        """The people of `index` (integers, bool [P] or a slice), in its order; repeats are allowed."""
        return People(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def wears(self, item: str, *kinds: str) -> np.ndarray:
        """bool [P]: who wears `item`, of one of `kinds` if any are named."""
        column = self.kind[:, ITEM[item]]
        return np.isin(column, [KINDS[item].index(kind) for kind in kinds]) if kinds else column > 0

    def bare_arms(self) -> np.ndarray:
        """bool [P]: short sleeves and no coat over them."""
        return self.short_sleeves & ~self.wears("coat")

    @cached_property
    def shown(self) -> np.ndarray:
        """bool [P, 20]: LIP parts that can be seen on the person from some side; not a shirt under a closed coat."""
        seen = np.zeros((len(self), len(LIP.parts)), bool)
        closed = self.wears("coat", "jacket", "long coat")
        bare_legs = (
            self.wears("pants", "shorts") | self.wears("skirt", "short") | self.wears("dress", "short")
        )
        ankles = (self.wears("skirt", "long") | self.wears("dress", "long")) & ~self.wears("shoes", "boots")
        for part, who in {
            "hat": self.wears("hat"), "hair": self.wears("hair"), "glove": self.wears("gloves"),
            "sunglasses": self.wears("sunglasses"), "upper clothes": self.wears("upper") & ~closed,
            "dress": self.wears("dress"), "coat": self.wears("coat"), "socks": self.wears("socks"),
            "pants": self.wears("pants"), "jumpsuits": self.wears("jumpsuit"), "scarf": self.wears("scarf"),
            "skirt": self.wears("skirt"), "face": np.ones(len(self), bool),
        }.items():  # fmt: skip
            seen[:, LIP.parts.index(part)] = who
        seen[:, 14:16] = (~self.wears("gloves") | self.bare_arms())[:, None]
        seen[:, 16:18] = (bare_legs | ankles)[:, None]
        seen[:, 18:20] = True
        return seen


def draw_people(count: int, generator: np.random.Generator) -> People:
    """`count` people, every attribute drawn independently but for outfits that would hide or contradict themselves."""
    body, items = generator.random((count, 12)), generator.random((count, len(ITEMS), 12))
    figure = np.where(body[:, 0] < 0.5, 0.35 * body[:, 1], 0.65 + 0.35 * body[:, 1])
    skin = palette.choose(palette.SKIN_WEIGHTS, body[:, 2])
    people = People(
        height=(1.76 - 0.12 * figure + 0.16 * (body[:, 3] + body[:, 4] - 1)).astype(np.float32),
        build=(body[:, 5] + body[:, 6] - 1).astype(np.float32),
        figure=figure.astype(np.float32),
        skin=skin.astype(np.uint8),
        skin_rgb=palette.jittered(palette.SKIN_RGB[skin], body[:, 7:11]).astype(np.float32),
        short_sleeves=body[:, 11] < 0.36,
        texture_seed=generator.integers(0, 2**62, count),
        **_draw_items(_draw_kinds(figure, items[:, :, :2]), items),
    )
    return replace(people, kind=_consistent(people.kind))


def draw_families(families: int, size: int, changes: int, generator: np.random.Generator) -> People:
    """families * size people, a family's members side by side; each but the first differs from it in `changes` items.

    At most 6 changes: everyone has that many items that can be seen to change (hair, shoes, hat, scarf, bag, a garment).
    """
    if not 0 <= changes <= 6:
        raise ValueError(f"a look-alike differs in 0 to 6 items, not {changes}")
    people = draw_people(families, generator).select(np.repeat(np.arange(families), size))
    rank = np.where(_changeable(people), generator.random((len(people), len(ITEMS))), -1.0)
    order = np.argsort(-rank, axis=1, kind="stable")
    changed = np.zeros_like(rank, bool)
    np.put_along_axis(changed, order[:, :changes], True, axis=1)
    changed[::size] = False
    return vary(people, np.arange(len(people)), changed, generator)


def vary(people: People, index: np.ndarray, changed: np.ndarray, generator: np.random.Generator) -> People:
    """Copies of people `index` [N] in which the items of `changed` (bool [N, I]) look clearly different.

    A hat, scarf or bag appears or, half of the time, goes; everything else gets another colour, sometimes another
    pattern, and hair another cut.
    """
    base = people.select(index)
    uniform = generator.random((len(base), len(ITEMS), 12))
    fresh = _draw_items(base.kind, uniform)
    other = palette.another_color(base.color, uniform[..., 2])
    other[:, ITEM["hair"]] = palette.another_hair_color(
        base.color[:, ITEM["hair"]], uniform[:, ITEM["hair"], 2]
    )
    fresh |= _colored(other, uniform)
    pattern_too = uniform[..., 11] < 0.4
    fresh["pattern"] = np.where(pattern_too, fresh["pattern"], base.pattern)
    kind = base.kind.copy()
    for item, kinds in {"hat": 3, "scarf": 1, "bag": 3}.items():
        column, draw = ITEM[item], uniform[:, ITEM[item]]
        new = np.where(
            base.kind[:, column] > 0,
            np.where(draw[:, 0] < 0.5, 0, base.kind[:, column]),
            1 + (draw[:, 1] * kinds).astype(int),
        )
        kind[:, column] = new
    hair = ITEM["hair"]
    kind[:, hair] = np.where(
        uniform[:, hair, 0] < 0.5, 1 + (uniform[:, hair, 1] * 5).astype(int), kind[:, hair]
    )
    fresh["kind"] = kind
    merged = {
        name: np.where(changed[..., None] if new.ndim == 3 else changed, new, getattr(base, name)).astype(
            new.dtype
        )
        for name, new in fresh.items()
    }
    return replace(base, **merged)


def _changeable(people: People) -> np.ndarray:
    """bool [P, I]: items whose change can be seen: worn outside, or a hat, scarf or bag that may come or go."""
    able = people.kind > 0
    for item in ("gloves", "sunglasses"):
        able[:, ITEM[item]] = False
    for item in ("hat", "scarf", "bag"):
        able[:, ITEM[item]] = True
    able[:, ITEM["upper"]] &= people.shown[:, LIP.parts.index("upper clothes")]
    return able


def _draw_kinds(figure: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """uint8 [P, I] kinds from uniform [P, I, 2]: accessories by their frequency, garments by the outfit drawn."""
    womanly = figure > 0.5
    worn = {"hat": 0.30, "gloves": 0.14, "sunglasses": 0.14, "coat": 0.40, "scarf": 0.20, "bag": 0.55}
    kind = np.zeros(uniform.shape[:2], np.uint8)
    for item, chance in worn.items():
        draw = uniform[:, ITEM[item]]
        kind[:, ITEM[item]] = np.where(draw[:, 0] < chance, 1 + draw[:, 1] * (len(KINDS[item]) - 1), 0)
    hair = uniform[:, ITEM["hair"], 0]
    short, long = np.array([70, 6, 5, 5, 14], float), np.array([12, 24, 34, 20, 10], float)
    kind[:, ITEM["hair"]] = 1 + np.where(womanly, palette.choose(long, hair), palette.choose(short, hair))
    outfit = uniform[:, ITEM["upper"], 0]
    edges = np.where(womanly[:, None], [0.45, 0.56, 0.74, 0.93], [0.75, 0.93, 0.93, 0.93])
    choice = (outfit[:, None] >= edges).sum(1)  # trousers, shorts, skirt, dress, jumpsuit
    second = uniform[:, :, 1]
    kind[:, ITEM["upper"]] = np.where(choice < 3, 1 + second[:, ITEM["upper"]] * 3, 0)
    kind[:, ITEM["pants"]] = np.where(
        choice == 0, 1 + (second[:, ITEM["pants"]] < 0.25), np.where(choice == 1, 3, 0)
    )
    kind[:, ITEM["skirt"]] = np.where(choice == 2, 1 + (second[:, ITEM["skirt"]] < 0.45), 0)
    kind[:, ITEM["dress"]] = np.where(choice == 3, 1 + (second[:, ITEM["dress"]] < 0.4), 0)
    kind[:, ITEM["jumpsuit"]] = choice == 4
    kind[:, ITEM["shoes"]] = 1 + (second[:, ITEM["shoes"]] < 0.22)
    kind[:, ITEM["socks"]] = 1 + (second[:, ITEM["socks"]] < 0.4)
    return kind


def _consistent(kind: np.ndarray) -> np.ndarray:
    """Kinds [P, I] without what is never seen: socks under trousers or boots, a short skirt under a long coat."""
    kind = kind.copy()
    lower = {name: kind[:, ITEM[name]] for name in ("pants", "skirt", "dress", "coat", "socks", "shoes")}
    long_closed = lower["coat"] == 3
    for name in ("skirt", "dress"):
        lower[name][long_closed & (lower[name] == 1)] = 2
    lower["coat"][long_closed & (lower["pants"] == 3)] = 1
    bare = (lower["pants"] == 3) | (lower["skirt"] == 1) | (lower["dress"] == 1)
    boots = lower["shoes"] == 2
    lower["socks"][~bare | (boots & (lower["socks"] == 1))] = 0
    return kind


def _draw_items(kind: np.ndarray, uniform: np.ndarray) -> dict[str, np.ndarray]:
    """Colour, pattern and their jitter for every item [P, I], worn or not, from uniform [P, I, 12]."""
    leather = np.broadcast_to(_LEATHER, kind.shape)
    draw = uniform[..., 2]
    color = np.where(
        leather, palette.choose(palette.LEATHER_WEIGHTS, draw), palette.choose(palette.CLOTHES_WEIGHTS, draw)
    )
    hair = ITEM["hair"]
    color[:, hair] = palette.HAIR_COLORS[palette.choose(palette.HAIR_WEIGHTS, draw[:, hair])]
    sunglasses = ITEM["sunglasses"]
    color[:, sunglasses] = palette.COLORS.index("black")
    quiet = np.broadcast_to(_QUIET, kind.shape)
    lively = palette.choose(palette.PATTERN_WEIGHTS, uniform[..., 3])
    pattern = np.where(quiet, palette.choose(palette.QUIET_WEIGHTS, uniform[..., 3]), lively)
    pattern = np.where(_PATTERNED, pattern, 0)
    for item in ("dress", "scarf", "jumpsuit"):
        column = pattern[:, ITEM[item]]
        column[column == _LOGO] = 0
    for item in ("dress", "scarf", "pants", "jumpsuit"):  # would read as two garments, or as boots
        column = pattern[:, ITEM[item]]
        column[column == _TWO_TONE] = 0
    return {"kind": kind, "pattern": pattern.astype(np.uint8)} | _colored(color, uniform)


def _colored(color: np.ndarray, uniform: np.ndarray) -> dict[str, np.ndarray]:
    """Jittered RGB of `color` [P, I] and a second colour that stands out from it."""
    hair = np.broadcast_to(_IS_HAIR, color.shape)
    second = palette.another_color(color, uniform[..., 4])
    jitter = uniform[..., 5:9]
    return {
        "color": color.astype(np.uint8),
        "second": second.astype(np.uint8),
        "rgb": palette.jittered(palette.color_of(hair, color), jitter).astype(np.float32),
        "second_rgb": palette.jittered(palette.RGB[second], jitter[..., ::-1]).astype(np.float32),
    }
