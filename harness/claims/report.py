"""Printers of an appraisal: Markdown for people, JSON for programs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from harness.claims.appraisal import Appraisal
from harness.claims.carried import Carried, Expected, expect
from harness.claims.contrasts import Contrast
from harness.claims.findings import SEVERITIES, Finding
from harness.claims.ranks.report import order_blocks, ranking_blocks, values_of
from harness.claims.sentences import sentence
from harness.claims.significance import (
    LEAST_DISCORDANT,
    least_detectable_mean,
    least_detectable_rank,
)
from harness.claims.table import Dataset
from harness.report.grid import grid

ROUND_DEVIATION = 10.0  # points: a round figure to scale by, not a measured one
INTRODUCTION = (
    "A printed table has one run per cell and no score per query, so no p value of a difference can be computed, and "
    "none is given. What can be said is which unpublished results would make a difference significant at .05, and "
    "whether the figures add up."
)
NOTES = (
    "**Queries**: how many right answers more the printed difference is, over all that rounding may hide.",
    "**Discordant**: queries that one method answers rightly and the other does not. McNemar's exact test compares how "
    "many each of the two wins; *at most* is the largest total at which the printed difference, to the nearest query, "
    "has p < .05, with its range over rounding. Queries count as independent.",
    "**Design effect**: several queries of a person are worth fewer independent ones. *At most*, or *below*, where all "
    "queries of a person move together, with equally many of each: the truth lies between the two columns.",
    "**If independent**: the discordant queries that two methods of these error rates have if their errors have nothing "
    "in common; two runs of one architecture share many errors, and have fewer.",
    "**Standard deviation**: of the paired differences between the two methods' scores of a query, below which the "
    "printed difference is significant by Student's t; *80 % power*: below which a true gain of that size is found so "
    "often.",
    "**Minimum detectable gain** (80 % power) is an optimistic bound: one run each, no retraining noise at all, and for "
    f"Rank-1 no query lost, so that {LEAST_DISCORDANT} won ones suffice. A retrained model differs from itself.",
)


def markdown(appraisal: Appraisal) -> str:
    """The appraisal as GitHub's Markdown; ends in a newline."""
    blocks = ["# What the printed tables can support", INTRODUCTION]
    for table in appraisal.tables:
        own = [one for one in appraisal.contrasts if one.table == table.title]
        blocks += _contrasts(table.title, own)
        if table.unread:
            blocks.append(
                f"Columns of {table.title} that name no metric and were not read: {', '.join(table.unread)}."
            )
    blocks += ["## Across data sets", *ranking_blocks(appraisal.rankings)]
    blocks += ["## The paper's order and ours", *order_blocks(appraisal.orders)]
    blocks += ["## Arithmetic", *_arithmetic(appraisal)]
    blocks += ["## Test sets", _datasets(appraisal.datasets)]
    if appraisal.carried is not None:
        blocks += [
            "## Sensitivity analysis, not a test",
            *_sensitivity(appraisal.contrasts, appraisal.carried),
        ]
    blocks += ["## How to read this", "\n".join(f"- {note}" for note in NOTES)]
    return "\n\n".join(blocks) + "\n"


def _contrasts(title: str, contrasts: Sequence[Contrast]) -> list[str]:
    if not contrasts:
        return [f"## {title}", "No two rows of it are compared."]
    blocks = [f"## {title}"]
    ranked = [one for one in contrasts if one.column.rank]
    if ranked:
        headings = ["Contrast", "Data set", "Metric", "Printed gain", "Queries", "Discordant: at most",
                    "Design effect: at most", "If independent"]  # fmt: skip
        blocks.append(grid(headings, [_rank_row(one) for one in ranked], left=(0, 1, 2)))
    if means := [one for one in contrasts if not one.column.rank]:
        headings = ["Contrast", "Data set", "Metric", "Printed gain", "Before rounding", "Standard deviation: below",
                    "Design effect: below", "80 % power: below"]  # fmt: skip
        blocks.append(grid(headings, [_mean_row(one) for one in means], left=(0, 1, 2)))
    blocks.append("\n".join(f"- {sentence(one)}" for one in contrasts))
    return blocks


def _named(contrast: Contrast) -> list[str]:
    named = f"{contrast.method} over {contrast.over}"
    return [named, contrast.dataset.title, contrast.column.metric, f"{contrast.gain:+}"]


def _rank_row(contrast: Contrast) -> list[str]:
    found = contrast.discordance
    if found is None:
        return [*_named(contrast), "impossible", "-", "-", "-"]
    ends = (
        f" [{found.allowed_least or 'none'}, {found.allowed_most}]" if found.allowed_most is not None else ""
    )
    return [
        *_named(contrast),
        f"{found.least} to {found.most}",
        f"{found.allowed if found.allowed is not None else 'none'}{ends}",
        "-" if contrast.dataset.people is None else str(found.alike if found.alike is not None else "none"),
        f"{found.independent:.0f}",
    ]


def _mean_row(contrast: Contrast) -> list[str]:
    found = contrast.spread
    assert found is not None
    return [
        *_named(contrast),
        f"{contrast.low:+} to {contrast.high:+}",
        f"{found.allowed:.1f} [{found.allowed_least:.1f}, {found.allowed_most:.1f}]",
        "-" if found.alike is None else f"{found.alike:.1f}",
        f"{found.powered:.1f}",
    ]


def _arithmetic(appraisal: Appraisal) -> list[str]:
    findings = all_findings(appraisal)
    looked = "\n".join(f"- {check.looked_at}: {_count(len(check.findings))}" for check in appraisal.checks)
    if not findings:
        return ["Nothing wrong was found. Looked at:", looked]
    rows = [[one.severity, one.where, one.reason] for one in findings]
    return [grid(["Severity", "Where", "Reason"], rows, left=(0, 1, 2)), "Looked at:", looked]


def _count(findings: int) -> str:
    return f"{findings or 'no'} finding{'s' * (findings != 1)}"


def all_findings(appraisal: Appraisal) -> list[Finding]:
    """The findings of all checks, the gravest first."""
    found = [one for check in appraisal.checks for one in check.findings]
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity))


def _datasets(datasets: Sequence[Dataset]) -> str:
    headings = ["Data set", "Queries", "People", "Queries per person", "One query is",
                "Smallest significant Rank-1 gain", "Minimum detectable gain: Rank-1",
                f"mAP, at a standard deviation of {ROUND_DEVIATION:g}"]  # fmt: skip
    rows = [
        [
            one.title,
            f"{one.queries:,}",
            "-" if one.people is None else f"{one.people:,}",
            "-" if one.per_person is None else f"{one.per_person:.1f}",
            f"{100 / one.queries:.3f}",
            f"{100 * LEAST_DISCORDANT / one.queries:.2f}",
            f"{least_detectable_rank(one.queries):.2f}",
            f"{least_detectable_mean(ROUND_DEVIATION, one.queries):.2f}",
        ]
        for one in datasets
    ]
    return grid(headings, rows)


def _sensitivity(contrasts: Sequence[Contrast], carried: Carried) -> list[str]:
    text = (
        f"Carried over from {carried.source} ({carried.pairs} pairs of runs with one seed): errors at rank 1 correlate "
        f"by {carried.error_correlation:.2f}, paired differences in average precision have a standard deviation of "
        f"{carried.deviation:.1f} points, and those of one person's queries correlate by {carried.rank1_within:.2f} "
        f"(right or wrong) and {carried.ap_within:.2f} (average precision). If the printed methods were like that:"
    )
    headings = ["Contrast", "Data set", "Metric", "Printed gain", "Design effect", "Discordant: expected", "At most",
                "Minimum detectable gain"]  # fmt: skip
    return [
        text,
        grid(headings, [_carried_row(one, expect(one, carried)) for one in contrasts], left=(0, 1, 2)),
    ]


def _carried_row(contrast: Contrast, expected: Expected) -> list[str]:
    ranked = expected.discordant is not None
    return [
        *_named(contrast),
        f"{expected.design_effect:.2f}",
        f"{expected.discordant:.0f}" if expected.discordant is not None else "-",
        str(expected.allowed if expected.allowed is not None else "none") if ranked else "-",
        "-" if expected.detectable is None else f"{expected.detectable:.2f}",
    ]


def to_json(appraisal: Appraisal) -> str:
    """The appraisal as JSON: contrasts with their sentences, findings, what was looked at, test sets, sensitivity."""
    carried = appraisal.carried
    document = {
        "tables": [{"title": one.title, "unread": one.unread} for one in appraisal.tables],
        "contrasts": [_contrast(one, carried) for one in appraisal.contrasts],
        **values_of(appraisal.rankings, appraisal.orders),
        "findings": [asdict(one) for one in all_findings(appraisal)],
        "looked_at": [one.looked_at for one in appraisal.checks],
        "datasets": [
            {**asdict(one), "least_detectable_rank1": round(least_detectable_rank(one.queries), 4)}
            for one in appraisal.datasets
        ],
        "sensitivity": asdict(carried) if carried else None,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _contrast(contrast: Contrast, carried: Carried | None) -> dict[str, Any]:
    return {
        "table": contrast.table,
        "method": contrast.method,
        "over": contrast.over,
        "dataset": contrast.dataset.title,
        "metric": contrast.column.metric,
        **{name: getattr(contrast, name) for name in ("gain", "low", "high")},
        "discordance": asdict(contrast.discordance) if contrast.discordance else None,
        "spread": asdict(contrast.spread) if contrast.spread else None,
        "sentence": sentence(contrast),
        "sensitivity": asdict(expect(contrast, carried)) if carried else None,
    }


def _plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


PRINTERS: dict[str, Callable[[Appraisal], str]] = {"markdown": markdown, "json": to_json}
