"""The fields of a recipe as pivl/recipe.py documents them, found by their names or by the paper's symbols."""

import ast
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import pivl.recipe
from pivl.errors import UserError
from pivl.recipe import Recipe

FIELDS = {item.name: item for item in fields(Recipe)}
SET_ELSEWHERE = {
    "backbone": "--backbone", "precision": "--precision", "student": "--student",
    "own_loss": "a study of your own, --study FILE.py", "own_head": "a study of your own, --study FILE.py",
}  # fmt: skip
"""From fields that --set does not take to what sets them."""


@dataclass(frozen=True)
class Meaning:
    """The meaning of a field; source: an equation, section or table of the paper, a file of CLIP-ReID's, or `ours`."""

    text: str
    source: str
    symbols: tuple[str, ...] = ()

    @property
    def brief(self) -> str:
        """The first clause."""
        return self.text.partition("; ")[0]


@cache
def read_meanings() -> Mapping[str, Meaning]:
    """Returns the meaning of each field, from the docstring below it: `TEXT (SOURCE: SYMBOL, SYMBOL).`"""
    tree = ast.parse(Path(pivl.recipe.__file__).read_text(encoding="utf-8"))
    body = next(one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name == "Recipe")
    found = {}
    for item, below in pairwise(body):
        match item, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                parts = re.fullmatch(r"(.*) \(([^():]+)(?:: ([^():]+))?\)\.", text, re.S)
                assert parts is not None, name
                symbols = tuple(parts[3].split(", ")) if parts[3] else ()
                found[name] = Meaning(parts[1], parts[2], symbols)
    return found


def settable_field(name: str) -> str:
    """Returns the field that --set changes by `name`. Raises UserError as known_field, and where another option does."""
    if name in SET_ELSEWHERE:
        raise UserError(f"recipe field {name!r} is set by {SET_ELSEWHERE[name]}")
    return known_field(name)


def known_field(name: str) -> str:
    """Returns the field that is called `name`, by itself or by the paper. Raises UserError with the nearest for none."""
    if name in FIELDS:
        return name
    by_symbol = {symbol: field for field, one in read_meanings().items() for symbol in one.symbols}
    if name in by_symbol:
        return by_symbol[name]
    nearest = difflib.get_close_matches(name, [*FIELDS, *by_symbol], n=1, cutoff=0.4)
    meant = f"; did you mean {nearest[0]!r}" if nearest else ""
    meant += f" ({by_symbol[nearest[0]]})" if nearest and nearest[0] in by_symbol else ""
    raise UserError(f"unknown recipe field {name!r}{meant}{'?' if nearest else '.'} All: pivl-bench recipe")
