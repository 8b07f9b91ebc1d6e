"""README's picture: identities of the embedded benchmark with their part maps, beside the gains of the ablation."""

import hashlib
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.documents.tables import REFERENCE, Values, primary, read_committed, verdict_of
from harness.report.figures.plate import color_of, new_figure
from harness.report.forest import Shown, draw_forest
from harness.report.grid import number
from pivl.errors import UserError
from pivl.system.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OVERVIEW = REFERENCE / "overview.png"
SHEET = REFERENCE / "synthped.png"  # what `pivl-bench data show synthped` draws
SOURCES = (REFERENCE / "ablation.json", SHEET)
TILE = (128, 64)  # height and width in pixels of a picture of the sheet
SHOWN = ((0, 0), (3, 3), (5, 3), (6, 0))  # row and column of the sheet, in pairs of a picture and its map


def source_digest(root: Path) -> str:
    """Returns the SHA-256 of the files that the picture is drawn from; the picture keeps it in its field `Source`."""
    return hashlib.sha256(b"".join((root / path).read_bytes() for path in SOURCES)).hexdigest()


def draw_overview(root: Path) -> None:
    """Writes the picture as PNG. Raises UserError where a source is missing, or the picture cannot be written."""
    import numpy as np
    from PIL import Image

    table = read_committed("ablation", root)
    try:
        sheet = np.asarray(Image.open(root / SHEET))
    except OSError as error:
        raise UserError(
            f"{root / SHEET}: no contact sheet; draw it by pivl-bench data show synthped"
        ) from error
    height, width = TILE
    strip = np.concatenate(
        [sheet[row * height :, 2 * pair * width :][:height, : 2 * width] for row, pair in SHOWN]
    )
    figure = new_figure(5.0, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.9))
    left.imshow(strip)
    left.set_axis_off()
    _draw_gains(right, table)
    metadata = {"Software": None, "Source": source_digest(root)}
    write_atomically(root / OVERVIEW, lambda file: figure.savefig(file, dpi=200, metadata=metadata))


def _draw_gains(axes: "Axes", table: Values) -> None:
    """A forest plot of the rows that have a gain, in their order, each below its title and its numbers."""
    metric, footer = primary(table), table["footer"]
    judged = [(place, row, row[f"{metric}_gain"]) for place, row in enumerate(table["rows"])]
    judged = [one for one in judged if one[2] is not None and one[1]["row"] != footer["reference"]]
    margin = footer["equivalence_margin_map"]
    drawn = [Shown(gain["mean"], gain["low"], gain["high"], nan, gain["marked"]) for _, _, gain in judged]
    draw_forest(axes, drawn, [color_of(place) for place, _, _ in judged], margin)
    for line, (_, row, gain) in enumerate(judged):
        said = f"{row['title']}\n{number(gain['mean'], 2, '+')} mAP, {verdict_of(row)}"
        axes.annotate(
            said, (0.02, line - 0.18), xycoords=("axes fraction", "data"), fontsize=10.5, va="bottom"
        )
    axes.set(ylim=(len(judged) - 0.6, -0.8), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=10.5)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(
        f"mAP gain over CLIP-ReID, points,\n95 % interval; grey: within ±{margin:g}", fontsize=10.5
    )
