"""The notes below a table: what its numbers mean, how sure they are, and where they come from."""

from collections.abc import Mapping

from harness.analysis.statistics import COVERAGE, LEAST_CLUSTERS, LEAST_SEEDS, TOO_FEW
from harness.analysis.table import CLUSTER_WORDS, METRICS, RANK1, Footer, Line, Table
from harness.report import published as published_table
from harness.report.page import worlds
from harness.report.page.sentence import answer


def notes(table: Table) -> list[str]:
    """The notes in their order: what is missing, what numbers mean, where they come from."""
    reference, said = table.reference, _apart(table)
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
        said.append(
            f"**Paper**: {sources}, one run on {published_table.dataset(table)} with {backbones}. {compare}"
        )
    said += _statistics(table)
    said += [f"**{column.heading}**: {column.note}" for column in table.columns if column.note]
    if table.setting.note:
        said.append(f"**Rows**: {table.setting.note}.")
    wins = "; ".join(_wins(line) for line in table.lines if line.gains)
    if wins:
        said.append(
            f"**Discordant pairs at rank 1** (row alone : {reference} alone), all seeds together: {wins}."
        )
    return said + published_table.notes(table) + _measured(table)


def brief_notes(table: Table) -> list[str]:
    """The notes that no number may be read without: the answer, what is missing, and where numbers come from."""
    verdict = f"**Gain** over {table.reference}; p adjusted by Holm; verdict on {table.study.primary}."
    return [answer(table), *_apart(table), verdict, *_measured(table)]


def notes_of_tests(table: Table) -> list[str]:
    """The notes of a table that has test runs alone."""
    return [answer(table), *_apart(table), *_measured(table)]


def _apart(table: Table) -> list[str]:
    """Notes on what sets the table apart, and on what is missing."""
    said = [f"**{table.caution}.**"] if table.warning else []
    said += [f"**{heading}**: {text}." for heading, text in table.setting.departures.items()]
    return said + [
        " ".join(f"**{line.row.title}**: {'; '.join(problem.text for problem in problems)}.".split())
        for line in table.lines
        if (problems := [one for one in line.problems if not (one.is_test and table.is_tried_only)])
    ]


def _statistics(table: Table) -> list[str]:
    """Notes on intervals, p values and verdicts."""
    margin, primary, clusters = table.study.margin, table.study.primary, CLUSTER_WORDS[table.clusters][1]
    spread = f"over retraining and {clusters}{' of these worlds' if table.worlds else ''}"
    covered = " and ".join(f"{100 * share:.0f} % with {seeds} seeds" for seeds, share in COVERAGE.items())
    found = table.footer.degrees if table.footer else None
    degrees = f", here {_most(found[0], 1)} to {_most(found[1], 1)}" if found else ""
    notes = [
        f"**Ours**: percent; mean over seeds and queries [95 % interval {spread}].",
        f"**Gain**: same queries and seeds as the baseline {table.reference}, hence a narrower interval. p: the larger "
        f"of a sign-flip randomisation test over {clusters} and of the interval, adjusted by Holm for the rows of this "
        "table. Intervals are not adjusted: one may leave 0 out beside a p above 0.05.",
        f"**Degrees of freedom** of gains by Satterthwaite on the mean squares of seeds and {clusters}{degrees}; in "
        f"simulation such intervals hold the truth in at least {covered}.",
        f"**Verdict**, on {primary}: *better* or *worse* if p < 0.05 with at least {LEAST_SEEDS} seeds, and only then in "
        f"bold; *equivalent* if the whole interval lies within ±{margin:g}, declared beforehand; else *inconclusive*.",
    ]
    notes += worlds.notes(table)
    if any(line.standing == TOO_FEW for line in table.lines):
        notes.append(
            f"***Too few identities***: fewer than {LEAST_CLUSTERS} {clusters} with scored queries give no verdict."
        )
    return notes


def _wins(line: Line) -> str:
    comparison = line.gains[RANK1].comparison
    return f"{line.row.title} {comparison.row_alone} : {comparison.reference_alone}"


def _measured(table: Table) -> list[str]:
    footer = table.footer
    if footer is None:
        runs = f" ({table.tried.runs} test run{'s' * (table.tried.runs > 1)})" if table.tried else ""
        return [f"**No complete run yet{runs}.**"]
    detectable, families = footer.minimum_detectable, f" in {footer.cluster_count} families"
    least = " and ".join(
        f"{_most(detectable[metric])} {metric}" for metric in METRICS if metric in detectable
    )
    notes = [f"**Minimum detectable effect** (80 % power, noisiest row): {least}."] if least else []
    notes += _split(footer)
    commits = ", ".join(footer.commits)
    return [
        *notes,
        f"**Measured** {worlds.describe_measured(footer)}: {footer.queries} queries of {footer.people} identities"
        f"{families if footer.clusters == 'family' else ''}; "
        f"{'; '.join(footer.devices)}; commit {commits}; {', '.join(footer.dates)}.",
        *_codes(footer),
        *_other_code(table),
        f"**Evaluation protocol**: `{footer.signature}`. Only numbers of one protocol may be compared.",
    ]


def _split(footer: Footer) -> list[str]:
    """A note on what the variance of the gains is made of, if several seeds show it."""
    parts = [f"the world is {said}"] if (said := _shares(footer.world_shares)) else []
    parts += [f"retraining is {said}"] if (said := _shares(footer.retraining_shares)) else []
    whole = "; ".join(parts)
    return (
        [f"**Variance of gains**: {whole}; the test set's identities and queries are the rest."]
        if whole
        else []
    )


def _shares(found: Mapping[str, tuple[float, ...]]) -> str:
    """The least and largest share by metric: `5 to 20 % in mAP and 3 % in Rank-1`; empty without any."""
    return " and ".join(
        f"{100 * min(of):.0f} to {100 * max(of):.0f} % in {metric}"
        if len(of) > 1
        else f"{100 * of[0]:.0f} % in {metric}"
        for metric in METRICS
        if (of := found.get(metric, ()))
    )


def _most(value: float, decimals: int = 2) -> str:
    return f"{value:.{decimals}f}" if value <= 100 else "more than 100"


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


def _other_code(table: Table) -> list[str]:
    """A note on rows of ours that owe to other code than that at hand."""
    other = [line.row.name for line in table.lines if table.is_by_other_code(line)]
    if not other:
        return []
    return [
        f"**Trained by other code** than is installed ({table.setting.code}): {', '.join(other)}. "
        "`run --redo ROW` does a row again."
    ]
