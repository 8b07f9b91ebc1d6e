"""Plate: a drawn figure with its caption and its data, kept as SVG, PNG and CSV; and what all drawings look like."""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pivl.errors import UserError
from pivl.system.outputs import write_output, write_text_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.5  # inches of a column of a paper; a page has two
PAGE = 7.2
# Okabe and Ito's colours, which colour-blind readers tell apart; those of rows in their order.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "os^Dv<>PX*"
RIGHT, WRONG, OWN = COLORS[0], COLORS[1], "#000000"
STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "svg.fonttype": "path", "svg.hashsalt": "pivl", "axes.spines.top": False,
    "axes.spines.right": False, "figure.dpi": 200, "legend.frameon": False,
}  # fmt: skip
ENDINGS = (".svg", ".png")

Data = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Plate:
    """A figure, the sentences below it, and the numbers that it shows, a line each."""

    figure: "Figure"
    caption: str
    data: Data


def own_style() -> AbstractContextManager[None]:
    """Within it figures may be made; at its end matplotlib's settings, a notebook's say, are what they were."""
    from matplotlib import rc_context

    return rc_context()


def new_figure(width: float, height: float) -> "Figure":
    """A figure of so many inches, not known to pyplot, so that no display is needed, in the common style.

    Nothing of a user's matplotlibrc shows. Raises UserError without any font.
    """
    from matplotlib import font_manager, style
    from matplotlib.figure import Figure

    style.use(["default", STYLE])
    try:
        font_manager.findfont(font_manager.FontProperties())
    except (OSError, ValueError) as error:
        raise UserError(
            "matplotlib finds no font to write with; install it anew: pip install --force-reinstall matplotlib"
        ) from error

    return Figure(figsize=(width, height), layout="constrained")


def panels(
    figure: "Figure", rows: int, columns: int, sharex: bool = False, sharey: bool = False
) -> "list[list[Axes]]":
    """The axes of a figure in rows and columns."""
    found: list[list[Axes]] = figure.subplots(
        rows, columns, squeeze=False, sharex=sharex, sharey=sharey
    ).tolist()
    return found


def color_of(place: int) -> str:
    """The colour of the row at a place of the table."""
    return COLORS[place % len(COLORS)]


def watermark(figure: "Figure", text: str) -> None:
    """Writes the title of a warning across a figure."""
    if text:
        figure.text(0.5, 0.5, text, alpha=0.25, fontsize=24, ha="center", va="center", rotation=20)


def check_ending(path: Path) -> None:
    """Raises UserError for a file whose name does not end as a figure's."""
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path}: a figure is {' or '.join(ENDINGS)}; name such a file")


def keep(plate: Plate, paths: Sequence[Path]) -> list[Path]:
    """Writes a figure to `paths`, by their endings, and beside the first its data and its caption; all that was written.

    The bytes depend on the figure alone. Raises UserError where a file cannot be written, or has another ending.
    """
    beside = [paths[0].with_suffix(".csv"), paths[0].with_suffix(".txt")]
    for path in paths:
        check_ending(path)
        write_output(path, partial(_save, plate.figure, path.suffix.lower().removeprefix(".")))
    write_text_output(beside[0], to_csv(plate.data))
    write_text_output(beside[1], plate.caption + "\n")
    return [*paths, *beside]


def _save(figure: "Figure", form: str, file: Path) -> None:
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    figure.savefig(file, format=form, metadata=metadata)


def to_svg(plate: Plate) -> str:
    """The figure as an SVG element, for a page."""
    buffer = io.StringIO()
    plate.figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().partition("<svg")[2].join(("<svg", ""))


def to_csv(data: Data) -> str:
    """The numbers, with a column for each that a line has; empty where another line has none."""
    names = list(dict.fromkeys(name for line in data for name in line))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(data)
    return buffer.getvalue()
