"""Captions of the embedded benchmark's people: exact in colour and pattern, short, naming only what can be seen.

Parts are worded as a prompt words them (`pivl.data.part_maps.labels.LIP`), so that the tiny CLIP learns
the names that PI-VL uses.
"""

from collections.abc import Iterable

import numpy as np

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Descriptions
from pivl.synthped.person.palette import COLORS, PATTERNS, SKINS
from pivl.synthped.person.wardrobe import ITEM, KINDS, People

PREFIX = "A photo of a person with"
OWNER = "A photo of a person's"
_HAIR_NAMES = {"yellow": "blond"}
ITEM_OF_PART = {
    "hat": "hat", "hair": "hair", "glove": "gloves", "sunglasses": "sunglasses", "upper clothes": "upper",
    "dress": "dress", "coat": "coat", "socks": "socks", "pants": "pants", "jumpsuits": "jumpsuit",
    "scarf": "scarf", "skirt": "skirt",     "left shoe": "shoes", "right shoe": "shoes",
}  # fmt: skip
_CUTS = {
    "upper": ("", "", "", "hooded"), "dress": ("", "short", "long"), "coat": ("", "", "open", "long", "open long"),
    "pants": ("", "", "wide", "short"), "skirt": ("", "short", "long"), "hair": KINDS["hair"],
    "socks": ("", "", "long"),
}  # fmt: skip
_NOUNS = {
    "hat": ("", "cap", "beanie", "hat"), "upper": ("", "upper clothes", "upper clothes", "upper clothes"),
    "shoes": ("", "shoes", "boots"), "bag": KINDS["bag"],
}  # fmt: skip
_PLURAL = ("hair", "upper", "socks", "pants", "shoes", "gloves", "sunglasses")
_MOST_PHRASES = 5


def caption(people: People, i: int, generator: np.random.Generator) -> str:
    """One caption of person i: 3 to 5 of the things that can be seen, in any order, at most about 40 BPE tokens."""
    items = _seen_items(people, i)
    count = min(len(items), int(generator.integers(3, _MOST_PHRASES + 1)))
    order = generator.permutation(len(items))[:count]
    phrases = [
        _with_article(_phrase(people, i, items[k], brief=bool(generator.random() < 0.5)), items[k])
        for k in order
    ]
    return f"{PREFIX} {_joined(phrases)}."


def part_caption(people: People, i: int, part: str) -> str | None:
    """Returns the caption of one LIP part of person i, or None if it cannot be seen on that person."""
    phrase = _part_phrase(people, i, part)
    return None if phrase is None else f"{OWNER} {phrase}."


def describe_parts(people: People) -> Descriptions:
    """Returns the caption of each of LIP's parts of each person, None where it cannot be seen."""
    return tuple(tuple(part_caption(people, i, part) for part in LIP.parts) for i in range(len(people.skin)))


def zoom_caption(people: People, i: int, parts: Iterable[str], generator: np.random.Generator) -> str | None:
    """One caption naming up to 4 of `parts` that person i has, in any order; None if there is none."""
    phrases = [phrase for part in parts if (phrase := _part_phrase(people, i, part)) is not None]
    if not phrases:
        return None
    order = generator.permutation(len(phrases))[:4]
    return f"{OWNER} {_joined([phrases[k] for k in order])}."


def words() -> list[str]:
    """Returns every word that a caption may hold, sorted, besides the comma and the full stop."""
    nouns = [noun for kinds in _NOUNS.values() for noun in kinds] + [*ITEM, *LIP.parts]
    cuts = [cut for kinds in _CUTS.values() for cut in kinds]
    looks = [*COLORS, *_HAIR_NAMES.values(), *PATTERNS, *SKINS]
    texts = [PREFIX, OWNER, "an and bare with a logo", *looks, *nouns, *cuts]
    return sorted({word for text in texts for word in text.split()} - {"none"})


def _seen_items(people: People, i: int) -> list[str]:
    """Returns the items of person i that a caption of the whole picture may name."""
    parts = {item: part for part, item in ITEM_OF_PART.items()}
    items = [item for item, part in parts.items() if people.shown[i, LIP.parts.index(part)]]
    return items + (["bag"] if people.kind[i, ITEM["bag"]] else [])


def _part_phrase(people: People, i: int, part: str) -> str | None:
    """Returns what person i's `part` is like, or None."""
    if part == "background" or not people.shown[i, LIP.parts.index(part)]:
        return None
    if part in ITEM_OF_PART:
        return _phrase(people, i, ITEM_OF_PART[part], noun=part)
    bare = part.endswith("arm") and people.short_sleeves[i] and not people.kind[i, ITEM["coat"]]
    return f"{'bare ' if bare else ''}{SKINS[people.skin[i]]} {part}"


def _phrase(people: People, i: int, item: str, noun: str | None = None, brief: bool = False) -> str:
    """Cut, colours, pattern and name of an item, as "long red and white striped coat"; brief: no second colour."""
    column = ITEM[item]
    kind = int(people.kind[i, column])
    color = COLORS[people.color[i, column]]
    second = COLORS[people.second[i, column]]
    pattern = PATTERNS[people.pattern[i, column]]
    if item == "hair":
        color = _HAIR_NAMES.get(color, color)
    noun = noun or (_NOUNS[item][kind] if item in _NOUNS else item)
    cut = _CUTS[item][kind] if item in _CUTS else ""
    look, tail = color, ""
    if pattern == "logo":
        tail = "" if brief else f" with a {second} logo"
        tail = tail.replace("a orange", "an orange").replace("a olive", "an olive")
    elif pattern != "plain":
        look = f"{color} {pattern}" if brief else f"{color} and {second} {pattern}"
    return f"{cut} {look} {noun}{tail}".strip()


def _with_article(phrase: str, item: str) -> str:
    """Returns the phrase with "a" or "an", but for what is worn in pairs or has no plural."""
    if item in _PLURAL:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _joined(phrases: list[str]) -> str:
    """Phrases joined by commas and a final "and"."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
