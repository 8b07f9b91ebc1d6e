"""A contact sheet: pictures of some people beside their part maps in colour, with a legend, to be looked at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.errors import UserError
from pivl.system.outputs import write_output

# The colours in which LIP's maps are usually shown, by class id.
LIP_COLORS = np.array(
    (
        (0, 0, 0), (128, 0, 0), (255, 0, 0), (0, 85, 0), (170, 0, 51), (255, 85, 0), (0, 0, 85), (0, 119, 221),
        (85, 85, 0), (0, 85, 85), (85, 51, 0), (52, 86, 128), (0, 128, 0), (0, 0, 255), (51, 170, 221), (0, 255, 255),
        (85, 255, 170), (170, 255, 85), (255, 255, 0), (255, 170, 0),
    ),
    np.uint8,
)  # fmt: skip
_COLOR_OF = np.full((256, 3), 128, np.uint8)  # grey: pixels to be ignored
_COLOR_OF[: len(LIP_COLORS)] = LIP_COLORS
_LEGEND = 14  # pixels per row of the legend


def draw_sheet(split: Split, path: Path, people: int = 8, views: int = 8) -> None:
    """Write a picture file to `path`: `people` rows of `views` training pictures with their maps, and a legend below.

    Neighbours in the sheet are look-alikes where the benchmark has families. Raises UserError if it cannot be written.
    """
    rows = [_draw_row(split.train, person, views) for person in range(people)]
    body = np.concatenate(rows)
    sheet = np.concatenate([body, _draw_legend(body.shape[1])])
    image = Image.fromarray(sheet)
    try:
        write_output(path, lambda file: image.save(file, format=None if file.suffix else "PNG"))
    except ValueError as error:  # of Pillow, which goes by the name
        raise UserError(f"{path}: images are not written as {path.suffix}; name a .png") from error


def _draw_row(pictures: Pictures, person: int, views: int) -> np.ndarray:
    """uint8 [H, 2 * views * W, 3]: pictures of one person, each beside its map; black where there are fewer."""
    height, width = pictures.image.shape[2:]
    row = np.zeros((height, views, 2, width, 3), np.uint8)
    for place, number in enumerate((pictures.person == person).nonzero()[:views, 0].tolist()):
        row[:, place, 0] = pictures.image[number].permute(1, 2, 0).numpy()
        if pictures.part_map is not None:
            row[:, place, 1] = _COLOR_OF[pictures.part_map[number].numpy()]
    return row.reshape(height, -1, 3)


def _draw_legend(width: int) -> np.ndarray:
    """uint8 [h, width, 3]: a coloured square and the name of every part."""
    columns = max(1, width // 128)
    rows = -(-(len(LIP.parts) - 1) // columns)
    legend = Image.new("RGB", (width, rows * _LEGEND + 4), (24, 24, 24))
    pen = ImageDraw.Draw(legend)
    for number, (part, color) in enumerate(zip(LIP.parts[1:], LIP_COLORS[1:].tolist(), strict=True)):
        x, y = number % columns * 128 + 4, number // columns * _LEGEND + 4
        pen.rectangle((x, y, x + 8, y + 8), fill=tuple(color))
        pen.text((x + 12, y - 1), part, fill=(220, 220, 220))
    return np.asarray(legend)
