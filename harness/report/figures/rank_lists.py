"""Rank lists: a query and the pictures that a row finds first, right and wrong ones told apart by colour and form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.report.figures.opened import Opened
from harness.report.figures.plate import OWN, RIGHT, WRONG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LENGTH = 10
LEGEND = (
    "Black frame: the query. Then the first {length} of the gallery: solid blue with a tick, the same person; "
    "dashed orange "
    "with a cross, another one. Below each its camera and its cosine distance. Images of the query's person by its own "
    "camera are left out, as in the scores."
)


@dataclass(frozen=True)
class RankList:
    """The answer of a row to a query: places in the gallery, whether right, and distance 1 - cosine, the nearest first.

    left_out: gallery pictures of the person by the query's own camera.
    """

    row: str
    query: int
    found: tuple[int, ...]
    right: tuple[bool, ...]
    distance: tuple[float, ...]
    left_out: int


def rank_list(opened: Opened, row: str, seed: int, query: int, length: int = LENGTH) -> RankList:
    """The list of a row for the query at this place of the query set."""
    asked, gallery = opened.descriptors(row, seed)
    person, camera = asked.person[query], asked.camera[query]
    cosine = gallery.descriptor @ asked.descriptor[query]
    junk = (gallery.person == person) & (gallery.camera == camera)
    order = (
        torch.sort(1 - cosine.masked_fill(junk.to(cosine.device), -torch.inf), stable=True)
        .indices[:length]
        .cpu()
    )
    order = order[~junk[order]]
    return RankList(
        row,
        query,
        tuple(order.tolist()),
        tuple((gallery.person[order] == person).tolist()),
        tuple((1 - cosine.cpu()[order]).tolist()),
        int(junk.sum()),
    )


def draw_lists(axes: "Axes", opened: Opened, seed: int, lists: Sequence[tuple[str, RankList]]) -> None:
    """Draws lists below each other, each with the text that stands before it."""
    from matplotlib.patches import Rectangle

    split = opened.split(lists[0][1].row, seed)
    height = split.query.image.shape[2] / split.query.image.shape[3]
    step_x, step_y = 1.2, height + 0.75
    for place, (text, one) in enumerate(lists):
        top = -place * step_y
        pictures = [(split.query, one.query, OWN, "-", "query")]
        pictures += [
            (
                split.gallery,
                at,
                RIGHT if right else WRONG,
                "-" if right else "--",
                f"{'✓' if right else '✗'} {far:.2f}",
            )
            for at, right, far in zip(one.found, one.right, one.distance, strict=True)
        ]
        axes.text(-0.15, top - height / 2, text, ha="right", va="center", fontsize=7)
        for column, (source, at, color, line, label) in enumerate(pictures):
            left = column * step_x + (0.3 if column else 0)
            axes.imshow(
                source.image[at].permute(1, 2, 0).numpy(), extent=(left, left + 1, top - height, top),
                interpolation="none", aspect="auto",
            )  # fmt: skip
            axes.add_patch(
                Rectangle(
                    (left, top - height),
                    1,
                    height,
                    fill=False,
                    edgecolor=color,
                    linestyle=line,
                    linewidth=1.8,
                )
            )
            camera = f"camera {int(source.camera[at])}"
            axes.text(
                left + 0.5, top - height - 0.06, f"{camera}\n{label}", ha="center", va="top", fontsize=4.5
            )
    axes.set_xlim(-0.2, (LENGTH + 1) * step_x + 0.4)
    axes.set_ylim(-(len(lists) - 1) * step_y - height - 0.7, 0.1)
    axes.set_aspect("equal")
    axes.set_axis_off()


def height_of(opened: Opened, row: str, seed: int, lists: int, width: float) -> float:
    """The inches that so many lists need at a width, with room for the text before them."""
    image = opened.split(row, seed).query.image
    each = image.shape[2] / image.shape[3] + 0.75
    return (width - 1.6) / ((LENGTH + 1) * 1.2 + 0.6) * each * lists + 0.2


def draw_people(person: np.ndarray, count: int, seed: int) -> list[int]:
    """So many of the people, drawn by the seed, in the order drawn."""
    known = np.unique(person)
    drawn = np.random.default_rng(seed).permutation(known)
    return [int(one) for one in drawn[:count]]
