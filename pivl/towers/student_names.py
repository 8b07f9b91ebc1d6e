"""The names of students, understood without loading torch."""

import re

from pivl.errors import UserError

TIMM = "timm:"


def parse_student(name: str) -> float | str:
    """The width of MobileNetV2 in `mobilenetv2-WIDTH`, or timm's name in `timm:NAME`; UserError for another name."""
    if match := re.fullmatch(r"mobilenetv2-(\d{1,2}(?:\.\d{1,3})?)", name):
        if float(match[1]) > 0:
            return float(match[1])
    elif name.startswith(TIMM) and len(name) > len(TIMM):
        return name.removeprefix(TIMM)
    raise UserError(
        f"no student is called {name!r}; choose mobilenetv2-0.25, or another width, or a network of timm as timm:resnet18"
    )
