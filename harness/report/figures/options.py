"""The typed choices of a figure; nothing heavy is imported here, so that --help answers at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FigureOptions:
    """The typed choices of a figure: how many queries or people it shows, who, and by which seed they are drawn."""

    queries: int = 4
    people: tuple[int, ...] = ()
    draw: int = 0
    device: str = "auto"
