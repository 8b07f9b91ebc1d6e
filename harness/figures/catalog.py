"""The figures by name, each a function of what was asked; modules are loaded when one is drawn."""

from collections.abc import Callable

from harness.figures.asked import Asked
from harness.figures.plate import Plate

NAMES = ("tsne", "cam", "ranks", "flips", "curves", "gains", "cmc", "choices")
WITH_PICTURES = ("tsne", "cam", "ranks", "flips")


def find_drawing(name: str) -> Callable[[Asked], Plate]:
    """The function that draws the figure `name`, one of NAMES."""
    match name:
        case "tsne":
            from harness.figures.tsne import tsne as draw
        case "cam":
            from harness.figures.cam import cam as draw
        case "ranks":
            from harness.figures.ranks import ranks as draw
        case "flips":
            from harness.figures.ranks import flips as draw
        case "curves":
            from harness.figures.curves import curves as draw
        case "gains":
            from harness.figures.gains import gains as draw
        case "cmc":
            from harness.figures.cmc import cmc as draw
        case _:
            from harness.figures.gains import choices as draw
    return draw
