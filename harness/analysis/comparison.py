"""Builds the table of a study from its records: means, comparisons with the baseline, and gaps.

Pure: the same records give the same table, to the byte of what `harness.report.markdown` makes of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import costs, statistics
from harness.analysis.outcomes import Outcome, Outcomes, Problem, find_problems
from harness.analysis.statistics import LEAST_PEOPLE, Comparison, Estimate, Judgement
from harness.analysis.table import (
    CONSISTENCY,
    MAJORITY,
    MEAN_AP,
    METRICS,
    RANK1,
    SHARES,
    Column,
    Footer,
    Line,
    Setting,
    Table,
)
from harness.store.records import Finished
from pivl.errors import UserError
from studies.presets import TableWarning
from studies.study import Row, Study


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
    runs = {row.name: _finished(outcomes.get(row.name, {})) for row in study.rows}
    _check_alike([run for of_row in runs.values() for run in of_row.values()])
    judged = {metric: _judge(study, runs, metric) for metric in METRICS}
    lines = tuple(_line(study, row, seeds, runs, outcomes.get(row.name, {}), judged) for row in study.rows)
    lines = tuple(replace(line, differences=_differences(line, setting)) for line in lines)
    return Table(study, dataset, warning, lines, _footer(seeds, runs, judged), setting, columns)


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


def _finished(outcomes: Mapping[int, Outcome]) -> dict[int, Finished]:
    return {seed: run for seed, run in sorted(outcomes.items()) if isinstance(run, Finished)}


def _check_alike(runs: Sequence[Finished]) -> None:
    for run in runs[1:]:
        if run.signature != runs[0].signature:
            raise UserError(
                f"runs {runs[0].id} and {run.id} cannot share a table: {runs[0].signature} is not {run.signature}"
            )
        if not np.array_equal(run.queries["person"], runs[0].queries["person"]):
            raise UserError(
                f"runs {runs[0].id} and {run.id} scored other queries under one signature; run them again"
            )


def _judge(study: Study, runs: Mapping[str, Mapping[int, Finished]], metric: str) -> dict[str, Judgement]:
    """Compares every row with the baseline over their common seeds, section by section; the margin is one of mAP."""
    reference = runs.get(study.reference, {})
    comparisons: dict[str, Comparison] = {}
    for row in study.rows:
        common = [seed for seed in runs[row.name] if seed in reference]
        if row.name == study.reference or not common or _alone(reference[common[0]]):
            continue
        ours = [runs[row.name][seed] for seed in common]
        theirs = [reference[seed] for seed in common]
        scores = _scores(ours, metric), _scores(theirs, metric)
        generator = _generator(f"{row.name}/{study.reference}/{metric}")
        found = statistics.compare(*scores, _people(ours), generator)
        comparisons[row.name] = replace(found, gain=found.gain.within(-100, 100))
    margin = study.margin if metric == MEAN_AP else None
    people = max((run.queries["person"].nunique() for run in reference.values()), default=0)
    judged: dict[str, Judgement] = {}
    for section in dict.fromkeys(row.section for row in study.rows):
        names = [row.name for row in study.rows if row.section == section and row.name in comparisons]
        judged |= statistics.judge({name: comparisons[name] for name in names}, margin, people)
    return judged


def _generator(name: str) -> np.random.Generator:
    """Flips of their own for each comparison: the rows beside it do not change its p. No torch, so it loads fast."""
    return np.random.default_rng(list(name.encode()))


def _scores(runs: Iterable[Finished], metric: str) -> np.ndarray:
    """[S, Q]: average precision, or whether the first answer is right (no wrong one before the first match)."""
    if metric == MEAN_AP:
        return np.stack([run.queries["average_precision"].to_numpy(float) for run in runs])
    return np.stack([(run.queries["first_match"].to_numpy() == 0).astype(float) for run in runs])


def _people(runs: Sequence[Finished]) -> np.ndarray:
    return runs[0].queries["person"].to_numpy()


def _line(
    study: Study,
    row: Row,
    seeds: Sequence[int],
    runs: Mapping[str, Mapping[int, Finished]],
    outcomes: Mapping[int, Outcome],
    judged: Mapping[str, Mapping[str, Judgement]],
) -> Line:
    own = list(runs[row.name].values())
    gains = {metric: judged[metric][row.name] for metric in METRICS if row.name in judged[metric]}
    problems = find_problems(seeds, outcomes)
    if gains and (common := gains[MEAN_AP].comparison.seeds) < len(own):
        problems.append(Problem(f"compared on {common} of them, those that the baseline has"))
    alone, is_baseline = bool(own) and _alone(own[0]), row.name == study.reference
    verdict: str = statistics.TOO_FEW if alone else gains[MEAN_AP].verdict if gains else ""
    return Line(
        row=row,
        means={metric: _mean(own, metric) for metric in METRICS if own},
        gains=gains,
        differences={},
        consistency=_consistency(own),
        cost=costs.gather(own) if study.costs else None,
        verdict="" if is_baseline else verdict,
        absence="" if gains or is_baseline else "no baseline" if own else "no result",
        is_baseline=is_baseline,
        finished=len(own),
        planned=len(seeds),
        problems=tuple(problems),
    )


def _mean(runs: Sequence[Finished], metric: str) -> Estimate:
    """The mean in percent; of one person's queries without an interval, since people are what it is over."""
    scores = _scores(runs, metric)
    if _alone(runs[0]):
        return statistics.unsure(100 * float(scores.mean()))
    return statistics.estimate(scores, _people(runs)).within(0, 100)


def _alone(run: Finished) -> bool:
    """Whether all queries that were scored are one person's."""
    return bool(run.queries["person"].nunique() < 2)


def _consistency(runs: Sequence[Finished]) -> dict[str, Estimate]:
    values = {
        item.key: [run.metrics.get(item.key, np.nan) for run in runs] for item in (*CONSISTENCY, MAJORITY)
    }
    found = {
        key: statistics.estimate_over_seeds(of_seeds)
        for key, of_seeds in values.items()
        if of_seeds and np.isfinite(of_seeds).all()
    }
    return {key: one.within(0, 100) if key in SHARES else one for key, one in found.items()}


def _footer(
    seeds: Sequence[int],
    runs: Mapping[str, Mapping[int, Finished]],
    judged: Mapping[str, Mapping[str, Judgement]],
) -> Footer | None:
    """The footer, None without a finished run; the minimum detectable effect is that of the least certain row."""
    own = [run for of_row in runs.values() for run in of_row.values()]
    if not own:
        return None
    people = int(own[0].queries["person"].nunique())
    return Footer(
        signature=own[0].signature,
        queries=len(own[0].queries),
        people=people,
        seeds=tuple(seeds),
        devices=tuple(sorted({f"{run.device} in {run.record['recipe']['precision']}" for run in own})),
        commits=tuple(sorted({run.commit for run in own})),
        dates=tuple(sorted({str(run.record["date"])[:10] for run in own})),
        precisions=tuple(sorted({run.record["recipe"]["precision"] for run in own})),
        weights=tuple(sorted({run.record.get("weights", "")[:12] for run in own} - {""})),
        codes={name: _codes(of_row.values()) for name, of_row in runs.items() if of_row},
        minimum_detectable={
            metric: max(item.comparison.gain.minimum_detectable for item in of_rows.values())
            for metric, of_rows in judged.items()
            if of_rows and people >= LEAST_PEOPLE  # fewer say nothing of others
        },
    )


def _codes(runs: Iterable[Finished]) -> tuple[str, ...]:
    """The digests of the code that runs and the stages before them come from; empty where a record has none."""
    return tuple(sorted({code for run in runs for code in run.record.get("codes", [""])}))
