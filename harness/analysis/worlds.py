"""The table of a study across worlds, from that of each: gains for these identities, and for identities like these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import health, statistics
from harness.analysis.across import Scored, compare_worlds, cross_these
from harness.analysis.comparison import check_protocol, contrast_lines, finished, judge_rows, make_footer
from harness.analysis.outcomes import Outcomes, Problem
from harness.analysis.pairs import RunsBySeed, clusters_of, common_runs, drawn_for, is_single, scores_of
from harness.analysis.protocol import without_data
from harness.analysis.statistics import Comparison, Estimate, Judgement
from harness.analysis.table import METRICS, MORE_METRICS, SHARES, Line, Table
from harness.store.records import Finished
from studies.study import Contrast


@dataclass(frozen=True)
class World:
    """A world of a study: its number, its table, and the finished runs of its rows by seed."""

    number: int
    table: Table
    runs: Mapping[str, RunsBySeed]

    @classmethod
    def of(cls, number: int, table: Table, outcomes: Outcomes) -> "World":
        """Returns the world with those of `outcomes` that are finished."""
        return cls(number, table, {row: finished(seeds) for row, seeds in outcomes.items()})

    @property
    def every(self) -> list[Finished]:
        """The finished runs of the world, row by row."""
        return [run for of_row in self.runs.values() for run in of_row.values()]

    @property
    def clusters(self) -> np.ndarray:
        """[Q]: the clusters of its queries."""
        return clusters_of(self.every)


def build_across(worlds: Sequence[World], dataset: str) -> Table:
    """The table of a study on `dataset` in several worlds. Raises UserError where they were scored differently."""
    check_protocol([run for world in worlds for run in world.every], without_data)
    first = worlds[0].table
    study = first.study

    def compare(pair: Contrast, metric: str) -> Comparison | None:
        return _compare(pair, metric, worlds)

    judged = {metric: judge_rows(study, metric, compare) for metric in METRICS}
    lines = tuple(
        _line([world.table.lines[place] for world in worlds], worlds, judged, study.reference)
        for place in range(len(first.lines))
    )
    unlearned = {line.row.name for line in lines if line.faults}
    contrasts = contrast_lines(study, compare, lambda pair: _why_none(pair, worlds), unlearned)
    runs = {
        row.name: dict(enumerate(run for world in worlds for run in world.runs.get(row.name, {}).values()))
        for row in study.rows
    }
    seeds = sorted({run.seed for world in worlds for run in world.every})
    with_runs = [world for world in worlds if world.every]
    clusters = with_runs[0].clusters if with_runs else np.empty(0, np.int64)
    footer = make_footer(seeds, runs, judged, clusters, _shares(judged, "retraining_share"))
    if footer is not None:
        numbers = tuple(world.number for world in with_runs)
        footer = replace(footer, worlds=numbers, world_shares=_shares(judged, "world_share"))
    return replace(first, dataset=dataset, lines=lines, footer=footer, contrasts=contrasts)


def _compare(pair: Contrast, metric: str, worlds: Sequence[World]) -> Comparison | None:
    """The comparison over the worlds in which both rows have a seed in common; None without one."""
    scored = []
    for world in worlds:
        common, clusters = common_runs(pair, world.runs), world.clusters
        if common and not is_single(clusters):
            ours, theirs = (scores_of(of_row, metric) for of_row in zip(*common, strict=True))
            scored.append(Scored(world.number, ours, theirs, clusters))
    if not scored:
        return None
    found = compare_worlds(scored, drawn_for(pair, metric))
    return replace(found, gain=found.gain.within(-100, 100))


def _why_none(pair: Contrast, worlds: Sequence[World]) -> str:
    """The reason why two rows are not compared."""
    both = all(any(world.runs.get(row) for world in worlds) for row in (pair.row, pair.against))
    return "no seed in common" if both else "no result"


def _line(
    lines: Sequence[Line],
    worlds: Sequence[World],
    judged: Mapping[str, Mapping[Contrast, Judgement]],
    reference: str,
) -> Line:
    """The line of a row, from its lines in all worlds."""
    row, first = lines[0].row, lines[0]
    pair = Contrast(row.name, reference)
    gains = {metric: judged[metric][pair] for metric in METRICS if pair in judged[metric]}
    there = [line for line in lines if line.finished]
    measured = _over_worlds([line.health for line in there])
    runs = [run for world in worlds for run in world.runs.get(row.name, {}).values()]
    verdict = gains[worlds[0].table.study.primary].verdict if gains else ""
    return replace(
        first,
        means={
            metric: _mean(row.name, metric, worlds)
            for metric in (*METRICS, *MORE_METRICS)
            if there and all(metric in line.means for line in there)
        },
        gains=gains,
        consistency=_over_worlds([line.consistency for line in there]),
        trained=any(line.trained for line in lines),
        health=measured,
        faults=health.find_faults(runs, measured),
        cost=there[0].cost if there else None,
        verdict=verdict,
        absence="" if gains else first.absence,
        finished=sum(line.finished for line in lines),
        planned=sum(line.planned for line in lines),
        problems=tuple(
            Problem(f"world {world.number}: {problem.brief}", detail=problem.detail)
            for world, line in zip(worlds, lines, strict=True)
            for problem in line.problems
        ),
    )


def _mean(row: str, metric: str, worlds: Sequence[World]) -> Estimate:
    """The mean of a row over the worlds that it has runs in, with its interval for these identities."""
    there = [world for world in worlds if world.runs.get(row)]
    scores = [scores_of(world.runs[row].values(), metric) for world in there]
    clusters = [world.clusters for world in there]
    if any(map(is_single, clusters)):
        return statistics.unsure(100 * float(np.mean([one.mean() for one in scores])))
    return cross_these(scores, clusters).estimate().within(0, 100)


def _over_worlds(measured: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """The mean over worlds of each figure that all have; Student's interval over the worlds' means."""
    keys = [key for key in measured[0] if all(key in one for one in measured)] if measured else []
    found = {key: statistics.estimate_over_seeds([one[key].mean for one in measured]) for key in keys}
    return {key: one.within(0, 100) if key in SHARES else one for key, one in found.items()}


def _shares(judged: Mapping[str, Mapping[Contrast, Judgement]], name: str) -> dict[str, tuple[float, ...]]:
    """The property `name` of the components of each gain, by metric, where it is known."""
    found: dict[str, tuple[float, ...]] = {}
    for metric, of_metric in judged.items():
        beyond = [one.comparison.beyond for one in of_metric.values()]
        known = [getattr(one.components, name) for one in beyond if one and one.components]
        if shares := tuple(share for share in known if share is not None):
            found[metric] = shares
    return found
