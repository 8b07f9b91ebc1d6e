"""`--set FIELD=VALUE`: any choice of the recipe, for all rows at once."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, replace
from typing import Any, get_args

from harness.experiment.recipe_fields import FIELDS, settable_field
from pivl.errors import UserError
from pivl.recipe import Recipe
from pivl.system.ranges import LONGEST


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Recipe fields and values from `epochs=60`, `image_size=128x64`, `lambda=1`; UserError for unknown names, values."""
    found: dict[str, Any] = {}
    for text in texts:
        typed, _, value = (part.strip() for part in text.partition("="))
        name = settable_field(typed)
        if name in found:
            raise UserError(f"--set {name}: it is set twice; leave one out")
        try:
            found[name] = _parse(FIELDS[name], value)
        except ValueError as error:
            raise UserError(
                f"--set {name}={value[:LONGEST]}: {name} takes {_example(FIELDS[name])}"
            ) from error
    return found


def override(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with `changes`. Raises UserError where it refuses them, field by field, with the range."""
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise UserError(f"--set: {error}") from error


def _parse(item: Field[Any], text: str) -> Any:
    """The parsed value; an input equal to the default returns the default itself, so that 10 and 10.0 hash alike."""
    value: Any = text
    if isinstance(item.default, tuple):
        value = tuple(int(part) for part in re.split("[x,]", text))
        if ... not in get_args(item.type) and len(value) != len(item.default):
            raise ValueError(text)
    elif item.type in (int, float):
        value = item.type(text)
        if not math.isfinite(value):
            raise ValueError(text)
    return item.default if value == item.default else value


def _example(item: Field[Any]) -> str:
    if isinstance(item.default, tuple):
        return f"whole numbers, as {'x'.join(map(str, item.default))}"
    return f"a {'whole number' if item.type is int else 'number'}, as {item.default}"
