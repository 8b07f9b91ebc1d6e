"""The figures by name, each a function of what was asked; modules are loaded when one is drawn."""

from collections.abc import Callable

from harness.report.figures.asked import Asked
from harness.report.figures.plate import Plate

NAMES = ("tsne", "cam", "ranks", "flips", "curves", "gains", "cmc", "choices")
WITH_PICTURES = ("tsne", "cam", "ranks", "flips")


def find_drawing(name: str) -> Callable[[Asked], Plate]:
    """The function that draws the figure `name`, one of NAMES."""
    match name:
        case "tsne":
            from harness.report.figures.tsne import tsne as draw
        case "cam":
            from harness.report.figures.cam import cam as draw
        case "ranks":
            from harness.report.figures.ranks import ranks as draw
        case "flips":
            from harness.report.figures.ranks import flips as draw
        case "curves":
            from harness.report.figures.curves import curves as draw
        case "gains":
            from harness.report.figures.gains import gains as draw
        case "cmc":
            from harness.report.figures.cmc import cmc as draw
        case _:
            from harness.report.figures.gains import choices as draw
    return draw
