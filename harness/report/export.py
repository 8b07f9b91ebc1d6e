"""A Table for programs: JSON with everything, CSV with a line per row. Nothing missing is filled in."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from harness.analysis.components import Component
from harness.analysis.health import FIGURES
from harness.analysis.statistics import Beyond, Estimate, Judgement
from harness.analysis.table import (
    CONSISTENCY,
    METRICS,
    MORE_METRICS,
    RANK1,
    Column,
    ContrastLine,
    Footer,
    Line,
    Table,
)
from harness.display.text import describe_changes, describe_partial
from studies.published import Published

KEYS = {"Rank-1": "rank1", "mAP": "map", "Rank-5": "rank5", "Rank-10": "rank10", "mINP": "minp"}


def to_json(table: Table) -> str:
    """The table as JSON: a list under "rows", shared facts under "footer"; null for missing or unbounded values."""
    document = {
        "study": table.study.name,
        "title": table.study.title,
        "question": table.study.question,
        "dataset": table.dataset,
        "changes": table.setting.changes,
        "partial": {
            which: {"found": found, "expected": expected}
            for which, (found, expected) in table.setting.partial.items()
        },
        "departures": table.setting.departures,
        "clusters": table.footer.clusters if table.footer else None,
        "rows": [_row(table, line) for line in table.lines],
        "contrasts": [_contrast(line) for line in table.contrasts],
        **({"test_runs": asdict(table.tried)} if table.tried else {}),
        "published": [_published(item) for item in table.study.published_table],
        "contradictions": [asdict(item) for item in table.study.contradictions],
        "footer": {
            "warning": table.caution or None,
            "reference": table.study.reference,
            "equivalence_margin_map": table.study.margin,
            "primary_metric": KEYS[table.study.primary],
            "rows_also_differ": table.setting.note or None,
            **(_footer(table.footer) if table.footer else {}),
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _row(table: Table, line: Line) -> dict[str, Any]:
    return {
        "row": line.row.name,
        "title": line.row.title,
        "paper": _published(line.row.published),
        **{column.key: _further(column, line.row.name) for column in table.columns},
        **{KEYS[metric]: _estimate(line.means.get(metric)) for metric in (*METRICS, *MORE_METRICS)},
        "gain_over": table.study.reference if line.gains else None,
        **{f"{KEYS[metric]}_gain": _gain(line.gains.get(metric)) for metric in METRICS},
        **{
            f"{KEYS[metric]}_less_paper": _plain(line.differences[metric]) if line.differences else None
            for metric in METRICS
        },
        "consistency": {item.key: _estimate(line.consistency.get(item.key)) for item in CONSISTENCY},
        "health": {key: _estimate(value) for key, value in line.health.items()} or None,
        "not_learned": [fault.text for fault in line.faults],
        **({"cost": asdict(line.cost)} if line.cost else {}),
        "verdict": line.standing,
        "seeds": line.finished,
        "seeds_planned": line.planned,
        "problems": [problem.text for problem in line.problems],
        "code": [code or None for code in table.codes(line)],
        "by_other_code": table.is_by_other_code(line) if line.trained else None,
    }


def _contrast(line: ContrastLine) -> dict[str, Any]:
    return {
        "row": line.contrast.row,
        "against": line.contrast.against,
        "title": line.title,
        **{f"{KEYS[metric]}_gain": _gain(line.gains.get(metric)) for metric in METRICS},
        "verdict": line.standing,
    }


def _further(column: Column, row: str) -> dict[str, float | None] | float | None:
    value = column.values.get(row)
    return _estimate(value) if value is None or isinstance(value, Estimate) else _plain(value)


def _published(published: Published | None) -> dict[str, Any] | None:
    if published is None:
        return None
    return {
        "method": published.method,
        "rank1": published.rank1,
        "map": published.mean_ap,
        "dataset": published.dataset,
        "backbone": published.backbone,
        "source": published.source,
        **({} if published.parser_miou is None else {"parser_miou": published.parser_miou}),
    }


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    names = ("mean", "low", "high", "standard_error", "degrees")
    return {name: _plain(getattr(estimate, name)) for name in names}


def _gain(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None:
        return None
    comparison = judgement.comparison
    return {
        **(_estimate(comparison.gain) or {}),
        "randomisation_p": _plain(comparison.p),
        "interval_p": _plain(comparison.gain.p),
        "adjusted_p": _plain(judgement.adjusted_p),
        "verdict": judgement.verdict,
        "marked": judgement.marked,
        "minimum_detectable": _plain(comparison.gain.minimum_detectable),
        "seeds": comparison.seeds,
        "clusters": comparison.clusters,
        "row_alone": comparison.row_alone,
        "reference_alone": comparison.reference_alone,
        **(_beyond(comparison.beyond) if comparison.beyond else {}),
    }


def _beyond(beyond: Beyond) -> dict[str, Any]:
    """The interval for identities like these, the gain in each world, and variances in squared points with intervals."""
    known = beyond.components
    return {
        "identities_like_these": _estimate(beyond.gain),
        "by_world": {str(world): _plain(gain) for world, gain in beyond.by_world.items()},
        "variances": known and {source: _variance(one) for source, one in known.by_source.items()},
    }


def _variance(component: Component) -> list[float | None]:
    return [_plain(value) for value in (component.variance, component.low, component.high)]


def _footer(footer: Footer) -> dict[str, Any]:
    return {
        "signature": footer.signature,
        "queries": footer.queries,
        "people": footer.people,
        "clusters": footer.cluster_count,
        "seeds": list(footer.seeds),
        **_worlds(footer),
        "devices": list(footer.devices),
        "precisions": list(footer.precisions),
        "weights": list(footer.weights),
        "commits": list(footer.commits),
        "dates": list(footer.dates),
        "minimum_detectable": {
            KEYS[name]: _plain(value) for name, value in footer.minimum_detectable.items()
        },
        "retraining_shares": {
            KEYS[name]: [_plain(value) for value in values]
            for name, values in footer.retraining_shares.items()
        },
    }


def _worlds(footer: Footer) -> dict[str, Any]:
    """The worlds and their share in the variance of gains, where there are several; counts are then of each."""
    if not footer.worlds:
        return {}
    shares = {KEYS[name]: [_plain(value) for value in values] for name, values in footer.world_shares.items()}
    return {"worlds": list(footer.worlds), "world_shares": shares}


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def to_csv(table: Table) -> str:
    """A line per row: the paper's numbers, ours with interval, gains with interval and p; empty where missing.

    A contrast stands in the line of its row, in columns that name the row it is held against.
    """
    buffer = io.StringIO()
    rows = [_flat(table, line) for line in table.lines]
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _flat(table: Table, line: Line) -> dict[str, Any]:
    paper = _published(line.row.published) or {}
    flat: dict[str, Any] = {"row": line.row.name, "title": line.row.title}
    for column in table.columns:
        flat |= _flat_interval(column.key, column.values.get(line.row.name))
    flat |= {f"paper_{name}": paper.get(name) for name in ("dataset", "rank1", "map")}
    for metric in (*METRICS, *MORE_METRICS):
        flat |= _flat_interval(KEYS[metric], line.means.get(metric))
    for metric in METRICS:
        flat[f"{KEYS[metric]}_less_paper"] = _plain(line.differences.get(metric, float("nan")))
    flat["gain_over"] = table.study.reference if line.gains else None
    flat |= _flat_gains(line.gains, "", bool(table.worlds))
    flat |= {"verdict": line.standing, "seeds": line.finished, "seeds_planned": line.planned}
    flat |= _flat_contrasts(table, line)
    for item in CONSISTENCY:
        flat |= _flat_interval(item.key, line.consistency.get(item.key))
    for figure in FIGURES:
        flat |= _flat_interval(figure.key, line.health.get(figure.key))
    flat["not_learned"] = "; ".join(fault.text for fault in line.faults)
    if table.study.costs:
        names = ("parameters", "macs", "images_per_second")
        flat |= {name: getattr(line.cost, name) if line.cost else None for name in names}
    codes = " ".join(code or "unknown" for code in table.codes(line))
    problems = "; ".join(problem.text for problem in line.problems)
    return {**flat, "problems": problems, **_shared(table), "code": codes}


def _flat_gains(gains: Mapping[str, Judgement], suffix: str, worlds: bool) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for metric in METRICS:
        name, judgement = f"{KEYS[metric]}_gain{suffix}", gains.get(metric)
        flat |= _flat_interval(name, judgement.comparison.gain if judgement else None)
        flat[f"{name}_adjusted_p"] = _plain(judgement.adjusted_p) if judgement else None
        if worlds:
            beyond = judgement.comparison.beyond if judgement else None
            flat |= _flat_interval(f"{name}_alike", beyond.gain if beyond else None)
    return flat


def _flat_contrasts(table: Table, line: Line) -> dict[str, Any]:
    """The contrasts of a row; empty in the columns of others'."""
    flat: dict[str, Any] = {}
    own = {one.contrast.against: one for one in table.contrasts if one.contrast.row == line.row.name}
    for against in dict.fromkeys(one.contrast.against for one in table.contrasts):
        found, suffix = own.get(against), f"_over_{against}"
        gains = found.gains if found else {}
        hits = gains[RANK1].comparison if gains else None
        flat |= _flat_gains(gains, suffix, bool(table.worlds))
        flat[f"rank1_alone{suffix}"] = hits.row_alone if hits else None
        flat[f"rank1_other_alone{suffix}"] = hits.reference_alone if hits else None
        flat[f"verdict{suffix}"] = found.standing if found else None
    return flat


def _shared(table: Table) -> dict[str, Any]:
    """The columns that are the same in every line."""
    footer = table.footer
    return {
        "dataset": table.dataset,
        "signature": footer.signature if footer else None,
        "clusters": footer.clusters if footer else None,
        **({"worlds": " ".join(map(str, table.worlds))} if table.worlds else {}),
        "warning": table.caution,
        "changes": describe_changes(table.setting.changes),
        "partial": describe_partial(table.setting.partial),
        "departures": "; ".join(f"{name}: {text}" for name, text in table.setting.departures.items()),
        "precision": " ".join(footer.precisions) if footer else None,
    }


def _flat_interval(name: str, estimate: Estimate | float | None) -> dict[str, Any]:
    """Name, name_low and name_high; a plain number has no bounds."""
    if isinstance(estimate, float | int):
        return {name: _plain(estimate), f"{name}_low": None, f"{name}_high": None}
    record = _estimate(estimate) or {}
    return {name: record.get("mean"), f"{name}_low": record.get("low"), f"{name}_high": record.get("high")}
