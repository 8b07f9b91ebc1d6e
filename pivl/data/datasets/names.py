"""Names of people and cameras: one name each, however a spreadsheet or a script spelled it."""

import re
import unicodedata
from collections.abc import Hashable, Iterable
from decimal import Decimal, DecimalException
from functools import cache

NUMBER = re.compile("([+\u2212-]?)([0-9]+)(?:\\.0*)?")  # a whole one; a minus may be typeset
NO_NAME = re.compile(
    r"[+-]?nan|none|null|<?na>?|#?n/a|#na|[+-]?inf(inity)?|[+-]?1\.#(ind|qnan)|#[a-z0/]+[!?]|[-?._*]+",
    re.IGNORECASE,
)


@cache  # a name stands in a hundred rows
def plain_name(text: str) -> str:
    """Returns the name that `text` spells: of a whole number its digits without zeros in front, so 1 for 01, 1.0 and +1.

    Other text stays as it is, but for invisible characters and for how accents are encoded.
    """
    seen = [one for one in unicodedata.normalize("NFC", text) if unicodedata.category(one) != "Cf"]
    shown = "".join(seen).strip()
    number = NUMBER.fullmatch("".join(str(unicodedata.decimal(one, one)) for one in shown))
    if number is None:
        return shown
    value = number[2].lstrip("0") or "0"
    return f"-{value}" if number[1] in ("-", "\u2212") and value != "0" else value


def is_negative(name: str) -> bool:
    """Returns whether a plain name is a whole number below 0."""
    return name.startswith("-") and name[1:].isdecimal()


def is_no_name(name: str) -> bool:
    """Whether a plain name is what programs write where there is none: nan, None, null, NA, inf, #N/A and the like."""
    return not name or NO_NAME.fullmatch(name) is not None


def one_name_each(spellings: Iterable[str]) -> dict[str, str]:
    """Returns the name of each spelling: its own where the name is spelled in one way only, else the plain one."""
    spelled: dict[str, list[str]] = {}
    for text in dict.fromkeys(spellings):
        spelled.setdefault(plain_name(text), []).append(text)
    return {text: texts[0] if len(texts) == 1 else name for name, texts in spelled.items() for text in texts}


def look_alikes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that may be meant as one: they differ in case, width, or how a number in them is written."""
    first: dict[Hashable, str] = {}
    return [(before, name) for name in names if (before := first.setdefault(_loose(name), name)) != name]


def _loose(name: str) -> Hashable:
    """Returns what names that look alike have in common: 1e3 and 1000, c01 and C1."""
    plain = unicodedata.normalize("NFKC", plain_name(name)).casefold()
    try:
        number = Decimal(plain.replace("_", " _"))  # which is a number to Decimal, but to nobody else
        return number if number.is_finite() else plain
    except DecimalException:
        return re.sub(r"(?<!\d)0+(?=\d)", "", " ".join(plain.split()))
