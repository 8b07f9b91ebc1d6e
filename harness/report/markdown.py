"""Printers of a Table: Markdown for people here, CSV and JSON for programs in `harness.report.export`."""

from collections.abc import Callable

import numpy as np

from harness.analysis import costs
from harness.analysis.statistics import LEAST_PEOPLE, LEAST_SEEDS, TOO_FEW, Estimate, Judgement
from harness.analysis.table import (
    CONSISTENCY,
    MAJORITY,
    METRICS,
    RANK1,
    Column,
    Footer,
    Line,
    Table,
)
from harness.report import published as published_table
from harness.report.export import to_csv, to_json
from harness.report.grid import grid


def markdown(table: Table) -> str:
    """The table with its footer as GitHub's Markdown; ends in a newline."""
    warned = f"{table.warning.title}: " if table.warning else ""
    blocks = [f"### {warned}{table.study.title}, measured on {table.heading}"]
    blocks += [f"> **{table.caution}.**"] if table.warning else []
    blocks.append(f"{table.study.question} {table.study.caption}")
    for section in dict.fromkeys(line.row.section for line in table.lines):
        blocks += [f"**{section}**"] if section else []
        blocks.append(_results(table, section))
    if table.study.published_table:
        blocks.append(grid(*published_table.rows(table), left=(0, 1)))
    if any(line.cost for line in table.lines):
        found = [(line.row.title, line.cost) for line in table.lines]
        blocks += [costs.NOTE, grid(costs.HEADINGS, costs.rows(found), left=(0, len(costs.HEADINGS) - 1))]
    if any(line.consistency for line in table.lines):
        blocks += [_consistency_note(table), _consistency(table)]
    blocks.append("\n".join(f"- {note}" for note in _notes(table)))
    return "\n\n".join(blocks) + "\n"


def _results(table: Table, section: str) -> str:
    lines = [line for line in table.lines if line.row.section == section]
    printed = any(line.row.published for line in lines)
    compared = any(line.differences for line in lines)
    headings = ["Row", *(column.heading for column in table.columns)]
    headings += [f"Paper, {_paper_data(table)}: {metric}" for metric in METRICS if printed]
    headings += [f"Ours, {table.dataset}: {metric}" for metric in METRICS]
    headings += [f"{metric}, ours minus paper" for metric in METRICS if compared]
    headings += [f"{metric} gain over {table.reference}" for metric in METRICS]
    rows = []
    for line in lines:
        cells = [line.row.title, *(_further(column, line.row.name) for column in table.columns)]
        cells += [_paper_cell(line, metric) for metric in METRICS if printed]
        cells += [_interval(line.means.get(metric), 1, "1 identity") for metric in METRICS]
        cells += [_difference(line, metric) for metric in METRICS if compared]
        cells += ["" if line.is_baseline else _gain(line.gains.get(metric)) for metric in METRICS]
        rows.append([*cells, line.standing, _seeds(line)])
    return grid([*headings, "Verdict", "Seeds"], rows, left=(0, len(headings), len(headings) + 1))


def _further(column: Column, row: str) -> str:
    value = column.values.get(row)
    if value is None or isinstance(value, Estimate):
        return _interval(value, column.decimals)
    return f"{value:,.{column.decimals}f}"


def _difference(line: Line, metric: str) -> str:
    return _number(line.differences[metric], 1, "+") if line.differences else "-"


def _consistency_note(table: Table) -> str:
    shares = [line.consistency[MAJORITY.key].mean for line in table.lines if MAJORITY.key in line.consistency]
    chance = f" Majority baseline (the commonest part everywhere): {shares[0]:.1f} %." if shares else ""
    return (
        "**Within-part consistency**, the paper's Fig. 2 as numbers: whether a pixel feature of the deployed tower "
        "lies nearest its own part's text, and closer to its own part than to others, within an identity and across "
        f"identities; mean over seeds [95 % interval]. Left and right count as one part.{chance}"
    )


def _consistency(table: Table) -> str:
    measured = [item for item in CONSISTENCY if any(item.key in line.consistency for line in table.lines)]
    rows = [
        [line.row.title, *(_interval(line.consistency.get(item.key), item.decimals) for item in measured)]
        for line in table.lines
    ]
    return grid(["Row", *(item.heading for item in measured)], rows)


def _paper_data(table: Table) -> str:
    return next((line.row.published.dataset for line in table.lines if line.row.published), "none")


def _paper_cell(line: Line, metric: str) -> str:
    published = line.row.published
    if published is None:
        return "-"
    return f"{published.rank1 if metric == RANK1 else published.mean_ap:.1f}"


def _interval(estimate: Estimate | None, decimals: int, alone: str = "1 seed") -> str:
    if estimate is None:
        return "-"
    if not np.isfinite(estimate.low):
        return f"{_number(estimate.mean, decimals)} ({alone})"
    return f"{_number(estimate.mean, decimals)} [{_number(estimate.low, decimals)}, {_number(estimate.high, decimals)}]"


def _gain(judgement: Judgement | None) -> str:
    if judgement is None:
        return "-"
    gain, p = judgement.comparison.gain, judgement.adjusted_p
    mean, low, high = (_number(value, 2, "+") for value in (gain.mean, gain.low, gain.high))
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return (
        f"**{mean}** [{low}, {high}], {chance}" if judgement.marked else f"{mean} [{low}, {high}], {chance}"
    )


def _number(value: float, decimals: int, sign: str = "") -> str:
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"  # adding 0 turns -0.0 into 0.0


def _seeds(line: Line) -> str:
    """The number of finished seeds, and the row's problems in brief; the footer has their details."""
    count = str(line.finished) if line.finished == line.planned else f"{line.finished} of {line.planned}"
    return "; ".join([count, *(problem.brief for problem in line.problems)])


def _notes(table: Table) -> list[str]:
    margin, reference = table.study.margin, table.reference
    notes = [f"**{table.caution}.**"] if table.warning else []
    notes += [f"**{heading}**: {text}." for heading, text in table.setting.departures.items()]
    notes += [
        " ".join(f"**{line.row.title}**: {'; '.join(problem.text for problem in line.problems)}.".split())
        for line in table.lines
        if line.problems
    ]
    published = [line.row.published for line in table.lines if line.row.published]
    if published:
        sources = ", ".join(sorted({item.source.split(",")[0] for item in published}))
        backbones = ", ".join(sorted({item.backbone for item in published}))
        comparable = any(line.differences for line in table.lines)
        compare = (
            "Other runs on the same data set and backbone: a difference to them has no p-value."
            if comparable
            else "Another data set or another network: compare signs, not sizes."
        )
        notes.append(f"**Paper**: {sources}, one run on {_paper_data(table)} with {backbones}. {compare}")
    notes += [
        "**Ours**: percent; mean over seeds and queries [95 % interval over retraining and identities].",
        f"**Gain**: same queries and seeds as the baseline {reference}, hence a narrower interval. p: the larger of a "
        "sign-flip randomisation test over identities and of the interval, adjusted by Holm for the rows of this table.",
        f"**Verdict**, on mAP: *better* or *worse* if p < 0.05 with at least {LEAST_SEEDS} seeds, and only then in bold; "
        f"*equivalent* if the whole interval lies within ±{margin:g}, declared beforehand; else *inconclusive*.",
    ]
    if any(line.verdict == TOO_FEW for line in table.lines):
        notes.append(
            f"***Too few identities***: fewer than {LEAST_PEOPLE} with scored queries give no verdict."
        )
    notes += [f"**{column.heading}**: {column.note}" for column in table.columns if column.note]
    if table.setting.note:
        notes.append(f"**Rows**: {table.setting.note}.")
    wins = "; ".join(_wins(line) for line in table.lines if line.gains)
    if wins:
        notes.append(
            f"**Discordant pairs at rank 1** (row alone : {reference} alone), all seeds together: {wins}."
        )
    return notes + published_table.notes(table) + _measured(table.footer)


def _wins(line: Line) -> str:
    comparison = line.gains[RANK1].comparison
    return f"{line.row.title} {comparison.row_alone} : {comparison.reference_alone}"


def _measured(footer: Footer | None) -> list[str]:
    if footer is None:
        return ["**No complete run yet.**"]
    detectable = footer.minimum_detectable
    least = " and ".join(
        f"{_most(detectable[metric])} {metric}" for metric in METRICS if metric in detectable
    )
    notes = [f"**Minimum detectable effect** (80 % power, least certain row): {least}."] if least else []
    seeds, commits = ", ".join(map(str, footer.seeds)), ", ".join(footer.commits)
    return [
        *notes,
        f"**Measured** with seeds {seeds}: {footer.queries} queries of {footer.people} identities; "
        f"{'; '.join(footer.devices)}; commit {commits}; {', '.join(footer.dates)}.",
        *_codes(footer),
        f"**Evaluation protocol**: `{footer.signature}`. Only numbers of one protocol may be compared.",
    ]


def _most(points: float) -> str:
    return f"{points:.2f}" if points <= 100 else "more than 100"


def _codes(footer: Footer) -> list[str]:
    """A note on the code digests of the rows, if they differ."""
    rows: dict[str, list[str]] = {}
    for row, codes in footer.codes.items():
        for code in codes:
            rows.setdefault(code, []).append(row)
    if len(rows) < 2:
        return []
    named = "; ".join(
        f"{code or 'unknown, from before records kept it,'} {', '.join(of)}" for code, of in rows.items()
    )
    return [
        f"**Rows come from different code**, by its digest: {named}. Gains over other code may be the code's."
    ]


PRINTERS: dict[str, Callable[[Table], str]] = {"markdown": markdown, "csv": to_csv, "json": to_json}
