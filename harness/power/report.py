"""Printers of a power forecast: Markdown for people, JSON for programs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from harness.analysis.components import SOURCES
from harness.analysis.statistics import LEAST_SEEDS
from harness.display.text import duration
from harness.power.forecast import MORE_SEEDS, PEOPLE, Forecast, Outlook
from harness.power.planning import MOST_PEOPLE, MOST_SEEDS, Design
from harness.report.grid import grid
from harness.report.page.worlds import deviation

NAMES = {"person": "identities", "family": "families"}
WHOLE = (
    "The variance of a gain has two parts: what retraining changes, which further seeds lessen, and which identities and "
    "queries the test set has, which only more of them lessen. All figures are for one contrast, not adjusted for others "
    "(Holm)."
)


def markdown(forecasts: Sequence[Forecast]) -> str:
    """The forecasts as GitHub's Markdown; ends in a newline."""
    return (
        "\n".join(map(_markdown, forecasts))
        or "### Power\n\nNo run is recorded yet, so no variance is known.\n"
    )


def _markdown(forecast: Forecast) -> str:
    many = NAMES[forecast.clusters]
    blocks = [f"### Power of {forecast.heading}"]
    blocks += [f"> **{forecast.warning}.**"] if forecast.warning else []
    if forecast.absent:
        named = ", ".join(f"{one.row} over {one.against}" for one in forecast.absent)
        blocks.append(f"No seed in common yet, so nothing is known of {named}.")
    if forecast.outlooks:
        blocks += [WHOLE, "\n".join(f"- {sentence(one, forecast.clusters)}" for one in forecast.outlooks)]
        blocks += [
            "**Minimum detectable gain**, 80 % power, in points:",
            _detectable(forecast, many),
        ]
        blocks += [
            f"**Variance components**, as standard deviations in points [95 % interval]; clusters are {many}:",
            _components(forecast.outlooks),
        ]
    return "\n\n".join(blocks) + "\n"


def sentence(outlook: Outlook, clusters: str) -> str:
    """The contrast in words: the worth of further seeds and people, what its gain needs, and what a seed costs."""
    many = NAMES[clusters]
    measured = outlook.measured
    known, share = measured.components, measured.components.retraining_share
    subject = f"**{_contrast(outlook)}**, {measured.gain:+.2f} {measured.metric}"
    if known.seeds > 1 and share is None:
        return f"{subject}: the two rows never differed, so nothing is known of their variance."
    if share is None:
        return (
            f"{subject}: {known.seeds} seed and no variance of retraining; run it with {LEAST_SEEDS} or more."
        )
    said = [
        f"{subject}: retraining noise is {100 * share:.0f} % of this gain's variance; {MORE_SEEDS} more seeds shorten "
        f"the interval from ±{outlook.now.reach:.2f} to ±{outlook.longer.reach:.2f}, twice the {many} to "
        f"±{outlook.wider.reach:.2f}"
    ]
    if outlook.need is not None:
        said.append(_need(outlook, many))
    if outlook.measured.seconds is not None:
        said.append(f"a seed of both rows takes {duration(outlook.measured.seconds)}")
    return "; ".join(said) + "."


def _need(outlook: Outlook, many: str) -> str:
    need, known = outlook.need, outlook.measured.components
    assert need is not None
    seeds = f"more than {MOST_SEEDS} seeds" if need.seeds is None else f"{need.seeds} seeds"
    if need.seeds is not None and outlook.measured.seconds is not None and need.seeds > known.seeds:
        seeds += f" ({duration((need.seeds - known.seeds) * outlook.measured.seconds)} more)"
    if need.people is None:
        wider = f"more than {MOST_PEOPLE:g} times the {many}"
    else:
        wider = f"{int(np.ceil(need.people * known.clusters)):,} {many} instead of {known.clusters:,}"
    return f"+{need.gain:g} is found with 80 % power by {seeds}, or with {max(known.seeds, LEAST_SEEDS)} by {wider}"


def _detectable(forecast: Forecast, many: str) -> str:
    headings = ["Contrast", "Metric", many.capitalize(), *(f"{seeds} seeds" for seeds in forecast.seeds)]
    rows = [
        [
            _contrast(one),
            one.measured.metric,
            f"{round(people * one.measured.components.clusters):,}",
            *(f"{one.detectable[Design(seeds, people)]:.2f}" for seeds in forecast.seeds),
        ]
        for one in forecast.outlooks
        for people in PEOPLE
    ]
    return grid(headings, rows, left=(0, 1))


def _contrast(outlook: Outlook) -> str:
    return "{} over {}".format(*outlook.measured.titles)


def _components(outlooks: Sequence[Outlook]) -> str:
    headings = [
        "Contrast",
        "Metric",
        "Seeds",
        *(source.capitalize() for source in SOURCES),
        "Retraining, % of variance",
    ]
    rows = []
    for one in outlooks:
        share = one.measured.components.retraining_share
        cells = [deviation(one.measured.components.by_source[source]) for source in SOURCES]
        shared = "-" if share is None else f"{100 * share:.0f}"
        rows.append([_contrast(one), one.measured.metric, str(one.measured.components.seeds), *cells, shared])
    return grid(headings, rows, left=(0, 1))


def to_json(forecasts: Sequence[Forecast]) -> str:
    """The forecasts as JSON; null for what is not known."""
    return json.dumps({"studies": documents(forecasts)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def documents(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """The forecasts as values that JSON knows."""
    return [
        {
            "study": one.study,
            "heading": one.heading,
            "warning": one.warning or None,
            "clusters": one.clusters,
            "contrasts": [_plain(outlook, one.clusters) for outlook in one.outlooks],
            "absent": [asdict(contrast) for contrast in one.absent],
        }
        for one in forecasts
    ]


def _plain(outlook: Outlook, clusters: str) -> dict[str, Any]:
    known = outlook.measured.components
    return {
        **asdict(outlook.measured.contrast),
        "metric": outlook.measured.metric,
        "gain": round(outlook.measured.gain, 6),
        "seeds": known.seeds,
        "clusters": known.clusters,
        "queries": known.queries,
        "variances": {
            source: None
            if np.isnan(one.variance)
            else [round(value, 6) for value in (one.variance, one.low, one.high)]
            for source, one in known.by_source.items()
        },
        "retraining_share": known.retraining_share,
        "half_widths": {name: getattr(outlook, name).reach for name in ("now", "longer", "wider")},
        "minimum_detectable": [
            {"seeds": design.seeds, "people_times": design.people, "points": round(points, 6)}
            for design, points in outlook.detectable.items()
        ],
        "need": asdict(outlook.need) if outlook.need else None,
        "seconds_per_seed": outlook.measured.seconds,
        "sentence": sentence(outlook, clusters).replace("**", ""),
    }


PRINTERS: dict[str, Callable[[Sequence[Forecast]], str]] = {"markdown": markdown, "json": to_json}
