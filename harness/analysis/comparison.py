"""Builds the table of a study from its records: means, comparisons with the baseline, and gaps.

Pure: the same records give the same table, to the byte of what `harness.report.markdown` makes of it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import costs, health, statistics
from harness.analysis.outcomes import Outcome, Outcomes, Problem, find_problems
from harness.analysis.pairs import (
    Compare,
    RunsBySeed,
    clusters_of,
    codes_of,
    compare_rows,
    components_of,
    has_scores,
    is_single,
    judge_pairs,
    people_of,
    scores_of,
)
from harness.analysis.protocol import comparable, shared
from harness.analysis.statistics import LEAST_CLUSTERS, TOO_FEW, Comparison, Estimate, Judgement
from harness.analysis.table import (
    CONSISTENCY,
    MAJORITIES,
    MEAN_AP,
    METRICS,
    MORE_METRICS,
    RANK1,
    SHARES,
    Column,
    ContrastLine,
    Footer,
    Line,
    Setting,
    Table,
)
from harness.store.records import Finished
from pivl.errors import UserError
from studies.presets import TableWarning
from studies.study import Contrast, Row, Study

Judged = Mapping[str, Mapping[Contrast, Judgement]]
"""By metric, and by the rows that are compared."""


def build(
    study: Study,
    dataset: str,
    outcomes: Outcomes,
    warning: TableWarning | None = None,
    setting: Setting | None = None,
    columns: tuple[Column, ...] = (),
) -> Table:
    """The table of `study` on `dataset`. A row or seed that `outcomes` does not have stands there as missing.

    Without its reference a study has means and no gains. `setting` None: nothing published is comparable.

    Raises UserError where runs were scored differently, since their numbers cannot stand in one table.
    """
    setting = setting or Setting()
    study = replace(study, rows=tuple(_with_published(study, row, setting) for row in study.rows))
    seeds = sorted({seed for row in study.rows for seed in outcomes.get(row.name, {})})
    runs = {row.name: finished(outcomes.get(row.name, {})) for row in study.rows}
    every = [run for of_row in runs.values() for run in of_row.values()]
    _check_alike(every)
    clusters = clusters_of(every)

    def compare(pair: Contrast, metric: str) -> Comparison | None:
        return compare_rows(pair, runs, metric, clusters)

    judged = {metric: judge_rows(study, metric, compare) for metric in METRICS}
    made = (
        _line(study, row, _planned(row, seeds, runs), outcomes.get(row.name, {}), judged, clusters)
        for row in study.rows
    )
    lines = tuple(replace(line, differences=_differences(line, setting)) for line in made)
    shares = {metric: _retraining_shares(of, runs, metric, clusters) for metric, of in judged.items()}
    footer = make_footer(seeds, runs, judged, clusters, shares)
    unlearned = {line.row.name for line in lines if line.faults}
    contrasts = contrast_lines(
        study, compare, lambda pair: _why_none(runs[pair.row], runs[pair.against], clusters), unlearned
    )
    return Table(study, dataset, warning, lines, footer, setting, columns, contrasts)


def _planned(row: Row, seeds: Sequence[int], runs: Mapping[str, RunsBySeed]) -> Sequence[int]:
    """The seeds at which a row is wanted; a method that is not trained here has those that it was given with."""
    return list(runs[row.name]) if row.method == "external" else seeds


def _with_published(study: Study, row: Row, setting: Setting) -> Row:
    """The row with the figure of its method in the study's published table, if it has none of its own."""
    fitting = (item for item in study.published_table if item.method == row.method and setting.has(item))
    return row if row.published else replace(row, published=next(fitting, None))


def _differences(line: Line, setting: Setting) -> dict[str, float]:
    published = line.row.published
    if published is None or not setting.has(published) or not line.means:
        return {}
    paper = {RANK1: published.rank1, MEAN_AP: published.mean_ap}
    return {metric: line.means[metric].mean - paper[metric] for metric in METRICS}


def finished(outcomes: Mapping[int, Outcome]) -> dict[int, Finished]:
    """The finished runs of a row by rising seed."""
    return {seed: run for seed, run in sorted(outcomes.items()) if isinstance(run, Finished)}


def check_protocol(runs: Sequence[Finished], part: Callable[[str], str] = comparable) -> None:
    """Raises UserError unless all runs agree in the `part` of their signatures that rows of one table share."""
    for run in runs[1:]:
        if part(run.signature) != part(runs[0].signature):
            raise UserError(
                f"runs {runs[0].id} and {run.id} cannot share a table, since their evaluation protocols differ: "
                f"{runs[0].signature} is not {run.signature}"
            )


def _check_alike(runs: Sequence[Finished]) -> None:
    check_protocol(runs)
    for run in runs[1:]:
        if not np.array_equal(run.queries["person"], runs[0].queries["person"]):
            raise UserError(
                f"runs {runs[0].id} and {run.id} scored other queries under one evaluation protocol; run them again"
            )


def judge_rows(study: Study, metric: str, compare: Compare) -> dict[Contrast, Judgement]:
    """Compares the rows of every section with the baseline, each section a family."""
    judged: dict[Contrast, Judgement] = {}
    for section in dict.fromkeys(row.section for row in study.rows):
        pairs = [
            Contrast(row.name, study.reference)
            for row in study.rows
            if row.section == section and row.compared and row.name != study.reference
        ]
        judged |= judge_pairs(pairs, metric, compare, _margin(study, metric))
    return judged


def _margin(study: Study, metric: str) -> float | None:
    return study.margin if metric == study.primary else None


def contrast_lines(
    study: Study, compare: Compare, explain: Callable[[Contrast], str], unlearned: Collection[str]
) -> tuple[ContrastLine, ...]:
    """The contrasts of the rows that the table has; those of the study are one family in each metric.

    explain: why a pair has no comparison.
    """
    rows = {row.name: row for row in study.rows}
    shown = [pair for pair in study.contrasts if pair.row in rows and pair.against in rows]
    judged = {metric: judge_pairs(shown, metric, compare, _margin(study, metric)) for metric in METRICS}
    lines = []
    for pair in shown:
        gains = {metric: judged[metric][pair] for metric in METRICS if pair in judged[metric]}
        verdict = gains[study.primary].verdict if gains else ""
        absence = "" if gains else explain(pair)
        doubtful = pair.row in unlearned or pair.against in unlearned
        lines.append(
            ContrastLine(pair, rows[pair.row], rows[pair.against], gains, verdict, absence, doubtful)
        )
    return tuple(lines)


def _why_none(ours: RunsBySeed, theirs: RunsBySeed, clusters: np.ndarray) -> str:
    if not (ours and theirs):
        return "no result"
    return TOO_FEW if is_single(clusters) else "no seed in common"


def _line(
    study: Study,
    row: Row,
    seeds: Sequence[int],
    outcomes: Mapping[int, Outcome],
    judged: Judged,
    clusters: np.ndarray,
) -> Line:
    own, pair = list(finished(outcomes).values()), Contrast(row.name, study.reference)
    gains = {metric: judged[metric][pair] for metric in METRICS if pair in judged[metric]}
    problems = find_problems(seeds, outcomes)
    if gains and (common := gains[study.primary].comparison.seeds) < len(own):
        problems.append(Problem(f"compared on {common} of them, those that the baseline has"))
    is_baseline, measured = row.name == study.reference, health.gather(own)
    return Line(
        row=row,
        means={
            metric: _mean(own, metric, clusters)
            for metric in (*METRICS, *MORE_METRICS)
            if has_scores(own, metric)
        },
        gains=gains,
        differences={},
        consistency=_consistency(own),
        trained=any("recipe" in run.record for run in own),
        health=measured,
        faults=health.find_faults(own, measured),
        cost=costs.gather(own) if study.costs else None,
        verdict=gains[study.primary].verdict if gains else "",
        absence="" if gains or is_baseline else _why_not_compared(row, own, clusters),
        is_baseline=is_baseline,
        finished=len(own),
        planned=len(seeds),
        problems=tuple(problems),
    )


def _why_not_compared(row: Row, own: Sequence[Finished], clusters: np.ndarray) -> str:
    if own and not row.compared:
        return "not compared"
    if own and is_single(clusters):
        return TOO_FEW
    return "no baseline" if own else "no result"


def _mean(runs: Sequence[Finished], metric: str, clusters: np.ndarray) -> Estimate:
    """The mean in percent; of a single cluster's queries without an interval, since clusters are what it is over."""
    scores = scores_of(runs, metric)
    if is_single(clusters):
        return statistics.unsure(100 * float(scores.mean()))
    return statistics.estimate(scores, clusters).within(0, 100)


def _consistency(runs: Sequence[Finished]) -> dict[str, Estimate]:
    values = {
        item.key: [run.metrics.get(item.key, np.nan) for run in runs] for item in (*CONSISTENCY, *MAJORITIES)
    }
    found = {
        key: statistics.estimate_over_seeds(of_seeds)
        for key, of_seeds in values.items()
        if of_seeds and np.isfinite(of_seeds).all()
    }
    return {key: one.within(0, 100) if key in SHARES else one for key, one in found.items()}


def make_footer(
    seeds: Sequence[int],
    runs: Mapping[str, RunsBySeed],
    judged: Judged,
    clusters: np.ndarray,
    shares: Mapping[str, tuple[float, ...]],
) -> Footer | None:
    """The footer, None without a finished run; the minimum detectable effect is that of the noisiest row.

    shares: the parts of the gains' variances that retraining makes, by metric.
    """
    own = [run for of_row in runs.values() for run in of_row.values()]
    if not own:
        return None
    people, count = people_of(own), len(np.unique(clusters))
    gains = {metric: [one.comparison.widest for one in of.values()] for metric, of in judged.items()}
    degrees = [gain.degrees for of_metric in gains.values() for gain in of_metric]
    return Footer(
        signature=shared([run.signature for run in own]),
        queries=len(people),
        people=len(np.unique(people)),
        clusters="person" if np.array_equal(clusters, people) else "family",
        cluster_count=count,
        degrees=(min(degrees), max(degrees)) if degrees else None,
        seeds=tuple(seeds),
        devices=tuple(sorted({" in ".join([run.device, *_precision(run)]) for run in own})),
        commits=tuple(sorted({run.commit for run in own})),
        dates=tuple(sorted({str(run.record["date"])[:10] for run in own})),
        precisions=tuple(sorted({one for run in own for one in _precision(run)})),
        weights=tuple(sorted({run.record.get("weights", "")[:12] for run in own} - {""})),
        codes={name: found for name, of_row in runs.items() if (found := codes_of(of_row.values()))},
        minimum_detectable={
            metric: max(gain.minimum_detectable for gain in of_metric)
            for metric, of_metric in gains.items()
            if of_metric and count >= LEAST_CLUSTERS  # fewer say nothing of others
        },
        retraining_shares={metric: of_metric for metric, of_metric in shares.items() if of_metric},
    )


def _precision(run: Finished) -> list[str]:
    """The precision that a run was trained in; none of what was trained elsewhere."""
    return [run.record["recipe"]["precision"]] if "recipe" in run.record else []


def _retraining_shares(
    pairs: Iterable[Contrast], runs: Mapping[str, RunsBySeed], metric: str, clusters: np.ndarray
) -> tuple[float, ...]:
    """The part of each gain's variance that retraining makes; empty with one seed."""
    found = [components_of(pair, runs, metric, clusters) for pair in pairs]
    shares = [one.retraining_share for one in found if one is not None]
    return tuple(share for share in shares if share is not None)
