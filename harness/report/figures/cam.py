"""Fig. 5: where rows look, for training people by their class and for test people by a match, and what that is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.analysis import statistics
from harness.analysis.statistics import Estimate
from harness.analysis.table import Line
from harness.execution.stored_run import OpenedRun
from harness.report.figures.asked import Asked
from harness.report.figures.maps import REASONS, Picked, class_maps, match_maps
from harness.report.figures.opened import Opened
from harness.report.figures.plate import PAGE, Plate, new_figure, watermark
from harness.report.figures.rank_lists import draw_people
from pivl.data.part_maps.voting import BACKGROUND, vote
from pivl.data.pictures import Pictures
from pivl.errors import UserError
from pivl.evaluation.attribution import evenness, part_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = 1.5  # inches above the maps
LONGEST = 18  # characters of a line of a title, which stands upright there
GAP = 0.4  # widths of a picture between training and test people
MEASURED = 96  # training pictures, and queries, that the shares are measured on
CAPTION = (
    "Left: the image; then for each row the map over it. Training identities: {of_class}. Test identities: {of_match}, "
    "beside the match. "
    "One scale for all maps of a kind: viridis, from 0 or less (dark) to the largest (yellow). {reasons}{shares} Seed "
    "{seed}; identities {how}."
)
SHARES = (
    "Share of the positive map (of the first of each row) on the person / evenness over the parts there (1: the same "
    "mean on each), over {count} images of each set, [95 % interval over seeds and identities]: {each}."
)


@dataclass(frozen=True)
class Measured:
    """Shares of the maps of one row on pictures of a set, by seed: on the person and evenness, float64 [S, N] each."""

    person: np.ndarray
    even: np.ndarray
    parts: np.ndarray  # [S, N, parts]


def cam(asked: Asked) -> Plate:
    """Maps of some training people and of some test people, a line of each, and shares with intervals and contrasts."""
    lines, opened = asked.lines, asked.opened
    seed = asked.common_seed(*lines)
    if opened.split(lines[0].row.name, seed).query.part_map is None:
        raise UserError(
            f"{asked.table.dataset}: its test images have no part maps, by which maps are measured; name --part-maps"
        )
    data: list[dict[str, object]] = []
    drawn, said = [], []
    for which in ("train", "query"):
        shown = _shown(opened, lines[0], seed, which, asked)
        drawn.append((which, shown, {line.row.name: _maps(opened, line, seed, shown) for line in lines}))
        said.append(_measure(asked, opened, lines, which, data))
    kinds = [list(next(iter(maps.values()))) for _, _, maps in drawn]
    figure = _draw(lines, drawn)
    watermark(figure, asked.warning)
    caption = CAPTION.format(
        of_class=", ".join(kinds[0]), of_match=", ".join(kinds[1]), seed=seed,
        reasons="".join(f"{REASONS[kind]} " for kind in dict.fromkeys(chain(*kinds)) if kind in REASONS),
        shares=SHARES.format(count=MEASURED, each="; ".join(said)),
        how=f"drawn by seed {asked.options.draw}",
    )  # fmt: skip
    return Plate(figure, caption, data)


def _shown(opened: Opened, line: Line, seed: int, which: str, asked: Asked) -> Picked:
    """A picture of each of some drawn people."""
    source = _pictures(opened, line, seed, which)
    drawn = np.random.default_rng(asked.options.draw)
    person = source.person.numpy()
    people = draw_people(person[person >= 0], asked.options.queries, asked.options.draw)
    index = [int(drawn.choice(np.flatnonzero(person == one))) for one in people]
    return Picked.of(opened.split(line.row.name, seed), which, torch.tensor(index), asked.options.draw)


def _pictures(opened: Opened, line: Line, seed: int, which: str) -> Pictures:
    split = opened.split(line.row.name, seed)
    return split.train if which == "train" else split.query


def _maps(opened: Opened, line: Line, seed: int, picked: Picked) -> Mapping[str, Tensor]:
    """The maps of a row by their kind: [B, h, w] each."""
    run = opened.run(line.row.name, seed)
    return class_maps(run, picked) if picked.which == "train" else match_maps(run, picked)


def _measure(
    asked: Asked, opened: Opened, lines: Sequence[Line], which: str, data: list[dict[str, object]]
) -> str:
    """The shares of every row in words; each with its contrast to the first goes to `data`."""
    found, doing = {}, f"measuring maps of {'training images' if which == 'train' else 'queries'}"
    for line in lines:
        with asked.progress.at_work(line.row.name, doing):
            found[line.row.name] = _shares(asked, opened, line, which)
    first, people = lines[0].row.name, _people(opened, lines[0], asked, which)
    said = []
    for line in lines:
        own = found[line.row.name]
        cells = []
        for name in ("person", "even"):
            values = getattr(own, name)
            estimate = _estimate(values, people)
            base = getattr(found[first], name)
            seeds = min(len(values), len(base))
            contrast = _estimate(values[:seeds] - base[:seeds], people)
            less = "" if line is lines[0] else f", {_said(contrast, '+')} against the first row"
            cells.append(f"{_said(estimate)} %{less}")
            data.append(
                {
                    "set": which, "row": line.row.name, "figure": f"{name}, %", **_numbers(estimate, ""),
                    **_numbers(contrast, f"less_{first}_"),
                }
            )  # fmt: skip
        labels = opened.split(line.row.name, min(asked.runs(line.row.name))).labels.parts
        for part, values in zip(labels, np.moveaxis(own.parts, 2, 0), strict=True):
            if np.nanmax(values, initial=0) > 0:
                data.append(
                    {
                        "set": which,
                        "row": line.row.name,
                        "figure": f"{part}, %",
                        **_numbers(_estimate(values, people), ""),
                    }
                )
        said.append(f"{line.row.title} {' / '.join(cells)}")
    return f"{'training' if which == 'train' else 'test'} identities: {', '.join(said)}"


def _said(one: Estimate, sign: str = "") -> str:
    return f"{one.mean:{sign}.1f} [{one.low:{sign}.1f}, {one.high:{sign}.1f}]"


def _numbers(one: Estimate, prefix: str) -> dict[str, object]:
    return {f"{prefix}mean": one.mean, f"{prefix}low": one.low, f"{prefix}high": one.high}


def _estimate(values: np.ndarray, people: np.ndarray) -> Estimate:
    """In percent; pictures without a value, a map that is nowhere positive or one part alone, are left out."""
    known = np.isfinite(values).all(axis=0)
    if len(np.unique(people[known])) < 2:
        return statistics.unsure(float("nan"))
    return statistics.estimate(values[:, known], people[known])


def _indices(source: Pictures) -> Tensor:
    known = torch.nonzero(source.person >= 0)[:, 0]
    count = min(MEASURED, len(known))
    return known[torch.arange(count) * len(known) // count]


def _people(opened: Opened, line: Line, asked: Asked, which: str) -> np.ndarray:
    source = _pictures(opened, line, min(asked.runs(line.row.name)), which)
    return source.person[_indices(source)].numpy()


def _shares(asked: Asked, opened: Opened, line: Line, which: str) -> Measured:
    person, even, parts = [], [], []
    for seed in asked.runs(line.row.name):
        run = opened.run(line.row.name, seed)
        source = _pictures(opened, line, seed, which)
        picked = Picked.of(run.trainer.split, which, _indices(source), asked.options.draw)
        found = next(iter(_maps(opened, line, seed, picked).values()))
        shares, areas = _by_part(run, found, source, picked.index)
        person.append(1 - shares[:, BACKGROUND].numpy())
        body = shares.clone()
        body[:, BACKGROUND] = 0
        areas[:, BACKGROUND] = 0
        even.append(evenness(body, areas).numpy())
        parts.append(shares.numpy())
    return Measured(np.stack(person), np.stack(even), np.stack(parts))


def _by_part(run: OpenedRun, found: Tensor, source: Pictures, index: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of parts in maps, and in the cells."""
    assert source.part_map is not None
    parts = len(run.trainer.split.labels.parts)
    label = vote(source.part_map[index], (found.shape[1], found.shape[2]), parts)
    return part_shares(found.cpu(), label, parts), part_shares(torch.ones_like(found.cpu()), label, parts)


Drawn = tuple[str, Picked, Mapping[str, Mapping[str, Tensor]]]


def _draw(lines: Sequence[Line], drawn: Sequence[Drawn]) -> "Figure":
    """Training people beside test people, a line of pictures each."""
    widths = [1 + (which == "query") + sum(map(len, maps.values())) for which, _, maps in drawn]
    down = max(len(picked.index) for _, picked, _ in drawn)
    height, width = drawn[0][1].image.shape[2:]
    figure = new_figure(PAGE, TITLE + (0.9 * height / width + 0.1) * PAGE / (sum(widths) + GAP) * down)
    grid = figure.subplots(
        down, sum(widths) + 1, squeeze=False, width_ratios=[*[1] * widths[0], GAP, *[1] * widths[1]]
    )
    for axes in grid.flat:
        axes.set_axis_off()
    _draw_set(grid[:, : widths[0]], lines, drawn[0])
    _draw_set(grid[:, widths[0] + 1 :], lines, drawn[1])
    return figure


def _draw_set(grid: np.ndarray, lines: Sequence[Line], drawn: Drawn) -> None:
    """Pictures below each other, each with its match, where it is a query, and its maps."""
    which, picked, maps = drawn
    kinds = list(next(iter(maps.values())))
    most = {kind: max(float(of[kind].max()) for of in maps.values()) or 1.0 for kind in kinds}
    titles = ["training"] if which == "train" else ["query", "match"]
    fit = all(len(line.row.title) <= LONGEST for line in lines)  # else all are called by their names
    for line in lines:
        called = line.row.title if fit else line.row.name
        titles += [f"{called}\n{fill(kind, LONGEST)}" for kind in kinds]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10, rotation=90, linespacing=1)
    for number in range(len(picked.index)):
        cells = iter(grid[number])
        _show(next(cells), picked.image[number])
        if which == "query":
            _show(next(cells), picked.match_image[number])
        for line in lines:
            for kind in kinds:
                _overlay(next(cells), picked.image[number], maps[line.row.name][kind][number], most[kind])


def _show(axes: "Axes", image: Tensor) -> None:
    axes.imshow(image.permute(1, 2, 0).numpy(), interpolation="none")


def _overlay(axes: "Axes", image: Tensor, found: Tensor, most: float) -> None:
    """A picture in grey under a map, whose cells are as large as they are."""
    height, width = image.shape[1:]
    axes.imshow(image.float().mean(dim=0).numpy(), cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.imshow(
        found.clamp(min=0).cpu().numpy(), cmap="viridis", vmin=0, vmax=most, alpha=0.65,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="none",
    )  # fmt: skip
