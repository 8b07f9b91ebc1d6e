"""Rank lists of drawn queries, row below row; and flips: queries that one row gets right and the other wrong."""

from textwrap import fill

import numpy as np
import pandas as pd

from harness.analysis.table import Line
from harness.report.figures.asked import Asked
from harness.report.figures.plate import PAGE, Plate, new_figure, panels, watermark
from harness.report.figures.rank_lists import (
    LEGEND,
    LENGTH,
    RankList,
    draw_lists,
    draw_people,
    height_of,
    rank_list,
)
from pivl.errors import UserError

EACH = 3  # flips of a person


def ranks(asked: Asked) -> Plate:
    """The lists of every row for one query of each of some people, drawn by the seed or named."""
    lines, opened = asked.lines, asked.opened
    seed = asked.common_seed(*lines)
    queries = asked.runs(lines[0].row.name)[seed].queries
    people = _people(asked, queries)
    drawn = np.random.default_rng(asked.options.draw)
    lists, data = [], []
    for person in people:
        query = int(drawn.choice(_index(queries)[queries["person"].to_numpy() == person]))
        for line in lines:
            found = rank_list(opened, line.row.name, seed, query)
            lists.append((f"{fill(line.row.title, 22)}\nperson {person}", found))
            data += _data(found, person, seed)
    figure = new_figure(PAGE, height_of(opened, lines[0].row.name, seed, len(lists), PAGE))
    draw_lists(panels(figure, 1, 1)[0][0], opened, seed, lists)
    watermark(figure, asked.warning)
    how = "named" if asked.options.people else f"drawn by seed {asked.options.draw}"
    caption = f"{LEGEND.format(length=LENGTH)} Runs of seed {seed}; {len(people)} identities, {how}, a query of each."
    return Plate(figure, caption, data)


def flips(asked: Asked) -> Plate:
    """The lists of two rows for queries that they disagree on at rank 1, the largest gain in average precision first."""
    row, against = asked.pair()
    seed = asked.common_seed(row, against)
    every = find_flips(asked, row, against, seed)
    chosen = _choose(every, asked)
    opened, lists, data = asked.opened, [], []
    for query, person, change in zip(chosen["query"], chosen["person"], chosen["change"], strict=True):
        for line in (row, against):
            found = rank_list(opened, line.row.name, seed, int(query))
            lists.append(
                (f"{fill(line.row.title, 22)}\nperson {person}\nchange of AP {100 * change:+.0f}", found)
            )
            data += _data(found, int(person), seed)
    figure = new_figure(PAGE, height_of(opened, row.row.name, seed, len(lists), PAGE))
    draw_lists(panels(figure, 1, 1)[0][0], opened, seed, lists)
    watermark(figure, asked.warning)
    better = int((every["change"] > 0).sum())
    caption = (
        f"Queries that {row.row.title} gets right at rank 1 and {against.row.title} wrong, or the other way "
        f"round, ordered by "
        f"the change of average precision: {len(every)} of seed {seed}, {better} with a gain. Shown: of "
        f"{chosen['person'].nunique()} identities, drawn by seed {asked.options.draw}, up to {EACH} each. "
        f"{LEGEND.format(length=LENGTH)}"
    )
    return Plate(figure, caption, data)


def find_flips(asked: Asked, row: Line, against: Line, seed: int) -> pd.DataFrame:
    """The queries that only one of two rows has right at rank 1: query, person, change of average precision, falling."""
    ours, theirs = (asked.runs(line.row.name)[seed].queries for line in (row, against))
    differ = (ours["first_match"].to_numpy() == 0) != (theirs["first_match"].to_numpy() == 0)
    change = ours["average_precision"].to_numpy() - theirs["average_precision"].to_numpy()
    found = pd.DataFrame(
        {
            "query": _index(ours),
            "person": ours["person"].to_numpy(),
            "camera": ours["camera"].to_numpy(),
            "change": change,
        }
    )
    return found[differ].sort_values("change", ascending=False, kind="stable")


def _choose(flips: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    if flips.empty:
        raise UserError(
            f"{asked.table.study.name}: both rows have the same queries right at rank 1, so there is none to show"
        )
    people = _people(asked, flips)
    known = flips[flips["person"].isin(people)]
    largest = known.reindex(known["change"].abs().sort_values(ascending=False, kind="stable").index)
    return largest.groupby("person").head(EACH).sort_values("change", ascending=False, kind="stable")


def _people(asked: Asked, queries: pd.DataFrame) -> list[int]:
    person = queries["person"].to_numpy()
    unknown = set(asked.options.people) - set(person.tolist())
    if unknown:
        raise UserError(
            f"--people {', '.join(map(str, sorted(unknown)))}: none of these has a query here; see data show"
        )
    return list(asked.options.people) or draw_people(person, asked.options.queries, asked.options.draw)


def _index(queries: pd.DataFrame) -> np.ndarray:
    """The place of each scored query in the query set."""
    return queries["query"].to_numpy()


def _data(found: RankList, person: int, seed: int) -> list[dict[str, object]]:
    return [
        {
            "row": found.row, "seed": seed, "query": found.query, "person": person, "rank": rank, "gallery": at,
            "right": right, "distance": far, "left_out": found.left_out,
        }
        for rank, (at, right, far) in enumerate(zip(found.found, found.right, found.distance, strict=True), 1)
    ]  # fmt: skip
