"""Printers of a parser's score, in percent: a table for the screen, Markdown, CSV."""

import csv
import io
from collections.abc import Callable

from tabulate import tabulate

from pivl.parsers.score import ParsingScore

HEADINGS = ("class", "IoU", "true pixels")


def lines_of(score: ParsingScore) -> list[tuple[str, float, int | None]]:
    """Name, value in percent and true pixels: each class, then mIoU, pixel accuracy and coverage."""
    true = score.pixels.sum(1)
    each = [
        (part, 100 * float(iou), int(count))
        for part, iou, count in zip(score.labels.parts, score.iou, true, strict=True)
    ]
    return [
        *each,
        ("mIoU", 100 * score.mean_iou, int(true.sum())),
        ("pixel accuracy", 100 * score.pixel_accuracy, None),
        ("coverage", 100 * score.coverage, None),
    ]


def to_grid(score: ParsingScore, form: str) -> str:
    """The scores as a table in tabulate's `form`, with a caption; ends in a newline."""
    rows = [
        (name, "-" if value != value else f"{value:.2f}", "" if count is None else count)
        for name, value, count in lines_of(score)
    ]
    kept = tabulate(rows, HEADINGS, tablefmt=form, disable_numparse=True, colalign=("left", "right", "right"))
    note = f"In percent, label set {score.labels.name}, {score.found} of {score.maps} true maps predicted."
    return f"{kept}\n\n{note}\n"


def to_csv(score: ParsingScore) -> str:
    """A line per class and summary; a class that neither side holds has an empty value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("name", "percent", "true_pixels"))
    for name, value, count in lines_of(score):
        writer.writerow((name, "" if value != value else round(value, 4), "" if count is None else count))
    return buffer.getvalue()


PRINTERS: dict[str, Callable[[ParsingScore], str]] = {
    "table": lambda score: to_grid(score, "simple"),
    "markdown": lambda score: to_grid(score, "pipe"),
    "csv": to_csv,
}
