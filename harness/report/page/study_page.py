"""A page that shows a study, one HTML file: question, verdict, table, figures, rank lists, provenance."""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import join
from typing import Any

import numpy as np

from harness.analysis.table import MEAN_AP, RANK1, Line
from harness.experiment.request import Request
from harness.report import contrasts, health
from harness.report.export import to_json
from harness.report.figures.asked import Asked
from harness.report.figures.catalog import find_drawing
from harness.report.figures.opened import Opened
from harness.report.figures.plate import color_of, own_style, to_svg
from harness.report.figures.rank_lists import RankList, rank_list
from harness.report.figures.ranks import find_flips
from harness.report.grid import interval, p_value, signed_interval
from harness.report.notes import notes
from harness.report.page.blocks import Notes, Text
from harness.report.page.html import element, inline
from harness.report.page.sentence import sentence
from harness.report.page.slices import slices
from harness.report.page.spread import seed_and_people, seed_scale, spread_grid
from pivl.errors import UserError
from pivl.system.outputs import write_text_output

LISTS = 16  # queries whose rank lists the page has: flips with the largest change, then other changes
TITLES = {
    "gains": "Gains over the baseline", "cmc": "Cumulative matching", "curves": "Training", "cam": "Where rows look",
    "tsne": "Pixel features",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its title, the SVG, and its caption; or, without an SVG, why there is none."""

    name: str
    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Shown:
    """A picture in a rank list: its address within the page, what it is, and the text below it."""

    source: str
    kind: str
    text: str


def study_page(asked: Asked, request: Request, printed: Sequence[str] = ()) -> str:
    """The page. A figure that cannot be drawn is a line in its place; UserError without any finished run.

    printed: sentences on what the paper's table, of one run per cell, can support.
    """
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    template = files("harness.report.page").joinpath("study_page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    with own_style():
        return environment.from_string(template).render(**_values(asked, request), printed=printed) + "\n"


def keep_page(
    asked: Asked, request: Request, name: str, output: Path, printed: Sequence[str] = ()
) -> list[Path]:
    """Writes the page to `output`, and to the results folder by its table's name, from where MLflow shows it; both."""
    page = study_page(asked, request, printed)
    kept = asked.results.root / "figures" / f"{name}-report.html"
    kept.parent.mkdir(parents=True, exist_ok=True)
    for path in (output, kept):
        write_text_output(path, page)
    return [output, kept]


def _values(asked: Asked, request: Request) -> dict[str, Any]:
    table, lines = asked.table, asked.lines
    opened = asked.opened
    pair = asked.pair() if len(lines) > 1 else None
    why = _why_no_pictures(opened, lines, asked)
    results = [_result(asked, line) for line in table.lines]
    missing = [f"{line.row.title}: {problem.text}" for line in table.lines for problem in line.problems]
    return {
        "title": f"{table.study.title}, {table.heading}", "warning": table.caution,
        "question": f"{table.study.question} {table.study.caption}", "answer": sentence(table),
        "results": results, "scale": seed_scale(one["seeds"] for one in results),
        "primary": table.study.primary, "reference": table.reference,
        "contrasts": _html([Text(contrasts.note(table)), *contrasts.grids(table)] if table.contrasts else []),
        "health": _html(health.section(table)), "notes": _html([Notes(tuple(notes(table)))]),
        "spread": _html([spread_grid(asked, lines)]),
        "pictures": [_draw(name, asked) for name in TITLES],
        "pair": [line.row.title for line in pair] if pair else [],
        "points": _points(asked, *pair) if pair else [],
        "lists": _lists(asked, opened, *pair) if pair and not why else [], "no_pictures": why,
        "slices": _html(slices(asked, None if why else opened, *pair) if pair else []),
        "contradictions": [f"{one.subject}: {one.stated}. {one.consequence}." for one in table.study.contradictions],
        "missing": missing, "command": _command(request), "json": to_json(table),
    }  # fmt: skip


def _html(blocks: Sequence[Any]) -> Any:
    from markupsafe import Markup

    return Markup("\n".join(element(block) for block in blocks))


def _result(asked: Asked, line: Line) -> dict[str, Any]:
    """The cells of a row, with the numbers that they are sorted by, and its seeds."""
    from markupsafe import Markup

    key = asked.table.study.primary
    gain = line.gains.get(key)
    seeds = seed_and_people(asked, line)[0] if asked.runs(line.row.name) else []
    means = {metric: line.means[metric].mean if line.means else -1.0 for metric in (MEAN_AP, RANK1)}
    return {
        "title": line.row.title, "color": color_of(asked.place(line)), "seeds": seeds,
        "cells": [
            (interval(line.means.get(MEAN_AP), 1), means[MEAN_AP]),
            (interval(line.means.get(RANK1), 1), means[RANK1]),
            (Markup(inline("" if line.is_baseline else signed_interval(gain))), gain.comparison.gain.mean if gain else 0),
            ("" if line.is_baseline else p_value(gain), gain.adjusted_p if gain else 2),
        ],
        "standing": line.standing, "count": f"{line.finished} of {line.planned}",
    }  # fmt: skip


def _draw(name: str, asked: Asked) -> Picture:
    try:
        with asked.progress.at_work(name, "drawing"):
            plate = find_drawing(name)(asked)
    except UserError as error:
        return Picture(name, TITLES[name], "", str(error))
    return Picture(name, TITLES[name], _own_names(to_svg(plate), name, plate.caption), plate.caption)


def _own_names(svg: str, name: str, caption: str) -> Any:
    """An SVG within a page: without addresses, its names apart from those of others, and called by its caption."""
    from markupsafe import Markup, escape

    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", svg)
    head = f'<svg role="img" aria-label="{escape(TITLES[name])}: {escape(caption[:200])}"'
    return Markup(head + svg.removeprefix("<svg"))


def _points(asked: Asked, row: Line, against: Line) -> list[dict[str, float]]:
    """The average precision of each query by both rows, mean over common seeds."""
    ours, theirs = asked.runs(row.row.name), asked.runs(against.row.name)
    seeds = sorted(set(ours) & set(theirs))
    means = [
        np.mean([of[seed].queries["average_precision"].to_numpy(float) for seed in seeds], axis=0)
        for of in (theirs, ours)
    ]
    first = ours[seeds[0]].queries
    index = first["query"] if "query" in first else range(len(first))
    return [{"query": int(q), "x": float(x), "y": float(y)} for q, x, y in zip(index, *means, strict=True)]


def _why_no_pictures(opened: Opened, lines: Sequence[Line], asked: Asked) -> str:
    """The reason why models or pictures cannot be had; empty where they can."""
    try:
        for line in lines:
            opened.run(line.row.name, asked.common_seed(*lines))
    except UserError as error:
        return str(error)
    return ""


def _lists(asked: Asked, opened: Opened, row: Line, against: Line) -> list[dict[str, Any]]:
    """The rank lists of the queries with the largest change."""
    seed = asked.common_seed(row, against)
    flipped = set(find_flips(asked, row, against, seed)["query"])
    points = sorted(
        _points(asked, row, against), key=lambda one: (one["query"] not in flipped, -abs(one["y"] - one["x"]))
    )[:LISTS]
    found = []
    for point in points:
        both = [
            (line.row.title, rank_list(opened, line.row.name, seed, int(point["query"])))
            for line in (row, against)
        ]
        found.append(
            {
                "query": int(point["query"]), "flip": point["query"] in flipped,
                "change": 100 * (point["y"] - point["x"]),
                "rows": [(title, _pictures(opened, seed, one)) for title, one in both],
            }
        )  # fmt: skip
    return found


def _pictures(opened: Opened, seed: int, one: RankList) -> list[Shown]:
    split = opened.split(one.row, seed)
    shown = [
        Shown(
            _jpeg(split.query.image[one.query]),
            "query",
            f"query, camera {int(split.query.camera[one.query])}",
        )
    ]
    for at, right, far in zip(one.found, one.right, one.distance, strict=True):
        camera = int(split.gallery.camera[at])
        text = f"{'✓ right' if right else '✗ wrong'}, camera {camera}, {far:.2f}"
        shown.append(Shown(_jpeg(split.gallery.image[at]), "right" if right else "wrong", text))
    return shown


def _jpeg(image: Any) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture.thumbnail((64, 128))
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


OPTIONS = {"overrides": "--set", "own_rows": "--row", "external": "--with", "study_file": "--study"}
"""The options by the fields of a Request that they are not called after."""


def _command(request: Request) -> str:
    """The command that makes the runs again."""
    words = ["pivl-bench", "run", *([request.study] if request.study else [])]
    for item in fields(Request)[1:]:
        value = getattr(request, item.name)
        if value == item.default:
            continue
        option = OPTIONS.get(item.name, f"--{item.name.replace('_', '-')}")
        several = value if isinstance(value, tuple) else (value,)
        words += [option] if value is True else [word for one in several for word in (option, str(one))]
    return join(words)
