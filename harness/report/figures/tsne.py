"""Fig. 2: pixel features of rows on one plane, by part and person, and the numbers of the space that they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.analysis import statistics
from harness.analysis.statistics import Estimate
from harness.report.figures.asked import Asked
from harness.report.figures.opened import BATCH, Opened
from harness.report.figures.plate import COLORS, COLUMN, MARKERS, Plate, new_figure, panels, watermark
from harness.report.figures.rank_lists import draw_people
from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.voting import BACKGROUND, vote
from pivl.data.store import Store, plain
from pivl.errors import UserError
from pivl.evaluation.embedding import NEIGHBOURS, flatten, neighbour_purity, silhouettes, trust
from pivl.fusion import LastTokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 3000  # pixels in a figure
PEOPLE = 6
ACROSS = 2  # panels of a column's width
TITLE = 30  # characters of a line above a panel
TOKENS, FUSED = "deployed tower", "fused map"
PART_COLORS = (*COLORS[:7], "#999999", "#882255", "#44AA99", "#DDCC77", "#661100")
CAPTION = (
    "Pixel features of {people} test identities ({how}), of unit length, all panels embedded together by t-SNE, each "
    "shown through a window of the same size around its own points: n = "
    "{count}, PCA "
    "start, perplexity 30, learning rate auto, seed {seed}, KL divergence {divergence:.2f}, trustworthiness "
    "{trust:.3f}. Colour: "
    "part (left and right as one), marker: person. Above each panel, in the original space, by cosine, over "
    "{seeds} seeds and "
    "identities [95 % interval]: share of the {neighbours} nearest pixels of the same part or person, and silhouette "
    "by part, in percent. "
    "Distances between groups of a t-SNE mean nothing; the numbers do."
)


@dataclass(frozen=True)
class Pixels:
    """Pixel features float32 [N, D] of unit length, their part and person int64 [N]."""

    feature: np.ndarray
    part: np.ndarray
    person: np.ndarray


def tsne(asked: Asked) -> Plate:
    """A panel for each row and map; all are one embedding."""
    lines, opened = asked.lines, asked.opened
    seed = asked.common_seed(*lines)
    split = opened.split(lines[0].row.name, seed)
    if split.query.part_map is None:
        raise UserError(
            f"{asked.table.dataset}: its test images have no part maps to colour pixels by; name --part-maps"
        )
    people = list(asked.options.people) or draw_people(split.query.person.numpy(), PEOPLE, asked.options.draw)
    shown: dict[tuple[str, str], list[Pixels]] = {}
    for line in lines:
        for one in asked.runs(line.row.name):
            for view, pixels in pixels_of(opened, line.row.name, one, people).items():
                shown.setdefault((line.row.name, view), []).append(pixels)
    each = MOST // len(shown)
    chosen = {key: _thin(of, each, asked.options.draw) for key, of in shown.items()}
    first = {key: of[0] for key, of in chosen.items()}
    together = np.concatenate([one.feature for one in first.values()])
    with asked.progress.at_work("t-SNE", f"embedding {len(together)} pixels"):
        flat = flatten(together, asked.options.draw)
    with asked.progress.at_work("t-SNE", "purity and silhouettes of all rows and seeds"):
        numbers = {key: _numbers(of) for key, of in chosen.items()}
    titles = {line.row.name: line.row.title for line in lines}
    down = -(-len(first) // ACROSS)
    figure, data = new_figure(COLUMN, 1.0 + (0.72 + COLUMN / ACROSS) * down), []
    grid = [axes for row in panels(figure, down, ACROSS) for axes in row]
    parts = sorted({int(part) for one in first.values() for part in one.part})
    ends = np.cumsum([len(one.part) for one in first.values()])
    points = dict(zip(first, np.split(flat.points, ends[:-1]), strict=True))
    reach = max(np.ptp(of, axis=0).max() for of in points.values()) * 0.54
    for axes, (key, pixels) in zip(grid, first.items(), strict=False):
        _draw(axes, points[key], pixels, parts, people)
        middle = (points[key].min(axis=0) + points[key].max(axis=0)) / 2
        axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
        axes.set_title(f"{fill(titles[key[0]], TITLE)}\n{key[1]}\n{_said(numbers[key])}", fontsize=6)
        data += _data(key, points[key], pixels)
    for axes in grid:
        axes.set(box_aspect=1, xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color("0.8")
    for axes in grid[len(first) :]:
        axes.set_axis_off()
    _legend(figure, parts, people, split.labels.parts)
    watermark(figure, asked.warning)
    data += [
        {"row": row, "map": view, "figure": name, "mean": one.mean, "low": one.low, "high": one.high}
        for (row, view), of in numbers.items()
        for name, one in of.items()
    ]
    how = "named" if asked.options.people else f"drawn by seed {asked.options.draw}"
    caption = CAPTION.format(
        people=len(people), how=how, count=len(together), seed=asked.options.draw, divergence=flat.divergence,
        trust=trust(together, flat.points), seeds=len(chosen[next(iter(chosen))]), neighbours=NEIGHBOURS,
    )  # fmt: skip
    return Plate(figure, caption, data)


@torch.no_grad()
def pixels_of(opened: Opened, row: str, seed: int, people: list[int]) -> Mapping[str, Pixels]:
    """The labelled pixels of all query pictures of some people, of the tower's tokens and of the fused map."""
    run = opened.run(row, seed)
    split, recipe, tower = run.trainer.split, run.trainer.recipe, run.trained.model.tower
    index = torch.nonzero(torch.isin(split.query.person, torch.tensor(people)))[:, 0]
    if not len(index):
        raise UserError(f"--people {', '.join(map(str, people))}: none of these has a query here")
    store = Store.hold(split.query, run.trainer.device)
    views = (
        {TOKENS: None}
        if isinstance(run.trained.head, LastTokens)
        else {TOKENS: None, FUSED: run.trained.head}
    )
    same = {right: left for left, right in split.labels.flip_pairs}
    found: dict[str, list[Pixels]] = {view: [] for view in views}
    for some in index.split(BATCH):
        batch = plain(store.gather(some), NORMALIZATIONS[recipe.normalization_of("image-tower")])
        features = tower(batch.image, batch.camera)
        assert batch.part_map is not None
        for view, head in views.items():
            feature = (features.tokens if head is None else head(features)).float()
            part = vote(batch.part_map, (feature.shape[2], feature.shape[3]), len(split.labels.parts))
            kept = (part > BACKGROUND) & (part < len(split.labels.parts))
            unit = torch.nn.functional.normalize(feature.permute(0, 2, 3, 1)[kept], dim=1)
            person = batch.person[:, None, None].expand_as(part)[kept]
            merged = np.array([same.get(int(one), int(one)) for one in part[kept]])
            found[view].append(Pixels(unit.cpu().numpy(), merged, person.cpu().numpy()))
    return {view: _joined(of) for view, of in found.items()}


def _joined(several: list[Pixels]) -> Pixels:
    return Pixels(
        *(np.concatenate([getattr(one, name) for one in several]) for name in ("feature", "part", "person"))
    )


def _thin(of: list[Pixels], most: int, draw: int) -> list[Pixels]:
    """The same pixels of each seed, at most so many, drawn by the seed."""
    count = len(of[0].part)
    kept = np.sort(np.random.default_rng(draw).permutation(count)[:most])
    return [Pixels(one.feature[kept], one.part[kept], one.person[kept]) for one in of]


def _numbers(of: list[Pixels]) -> dict[str, Estimate]:
    """Purity and silhouette in percent, over seeds and people."""
    values = {
        "purity by part": [neighbour_purity(one.feature, one.part) for one in of],
        "purity by person": [neighbour_purity(one.feature, one.person) for one in of],
        "silhouette by part": [silhouettes(one.feature, one.part) for one in of],
    }
    return {name: statistics.estimate(np.stack(several), of[0].person) for name, several in values.items()}


def _said(numbers: Mapping[str, Estimate]) -> str:
    return "\n".join(
        f"{name} {one.mean:.0f} [{one.low:.0f}, {one.high:.0f}] %" for name, one in numbers.items()
    )


def _draw(axes: "Axes", points: np.ndarray, pixels: Pixels, parts: list[int], people: list[int]) -> None:
    for place, person in enumerate(people):
        own = pixels.person == person
        colors = [PART_COLORS[parts.index(int(part)) % len(PART_COLORS)] for part in pixels.part[own]]
        marker = MARKERS[place % len(MARKERS)]
        axes.scatter(points[own, 0], points[own, 1], c=colors, marker=marker, s=4, linewidths=0.2, alpha=0.8)


def _legend(figure: "object", parts: list[int], people: list[int], names: tuple[str, ...]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    assert isinstance(figure, Figure)
    handles = [
        Line2D([], [], linestyle="", marker="o", color=PART_COLORS[place % len(PART_COLORS)], markersize=4,
               label=names[part].removeprefix("left "))
        for place, part in enumerate(parts)
    ] + [
        Line2D([], [], linestyle="", marker=MARKERS[place % len(MARKERS)], color="0.3", markersize=4,
               label=f"person {one}")
        for place, one in enumerate(people)
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, fontsize=6, columnspacing=0.8, handletextpad=0.1
    )


def _data(key: tuple[str, str], points: np.ndarray, pixels: Pixels) -> list[dict[str, object]]:
    return [
        {"row": key[0], "map": key[1], "x": float(x), "y": float(y), "part": int(part), "person": int(person)}
        for (x, y), part, person in zip(points, pixels.part, pixels.person, strict=True)
    ]
