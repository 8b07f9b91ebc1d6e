"""The power of a study from its records: the components of every contrast, and what other designs would find."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from harness.analysis.components import Components, decompose
from harness.analysis.outcomes import Recorded
from harness.analysis.pairs import clusters_of, common_runs, is_single, people_of, scores_of
from harness.analysis.statistics import LEAST_SEEDS
from harness.analysis.table import METRICS, Table
from harness.power.planning import Design, Prospect, foresee, people_needed, seeds_needed
from harness.store.records import Finished, Results
from studies.study import Contrast, Study

SEEDS = (3, 5, 10, 20)
PEOPLE = (1.0, 2.0, 4.0)
MORE_SEEDS = 3  # whose worth is said beside that of twice the people


@dataclass(frozen=True)
class Need:
    """Needs of a true gain at 80 % power: seeds with the people as they are, or times the people with these seeds."""

    gain: float
    seeds: int | None
    people: float | None


@dataclass(frozen=True)
class Measured:
    """A contrast on one metric as recorded: titles of its rows, gain in points, components.

    seconds: that one more seed of both rows takes; None where no record says it.
    """

    contrast: Contrast
    titles: tuple[str, str]
    metric: str
    gain: float
    components: Components
    seconds: float | None


@dataclass(frozen=True)
class Outlook:
    """A measured contrast with the prospects of designs, and the minimum detectable gain of each in points.

    now: the measured design; longer: with MORE_SEEDS more; wider: with twice the people.
    """

    measured: Measured
    now: Prospect
    longer: Prospect
    wider: Prospect
    detectable: Mapping[Design, float]
    need: Need | None


@dataclass(frozen=True)
class Forecast:
    """The outlooks of a study's contrasts at these numbers of seeds.

    clusters: "family" or "person"; absent: contrasts without a seed in common. warning: of a table not to be quoted.
    """

    study: str
    heading: str
    warning: str
    seeds: tuple[int, ...]
    clusters: str
    outlooks: tuple[Outlook, ...]
    absent: tuple[Contrast, ...]


def forecast(
    table: Table, recorded: Recorded, results: Results, planned: int, gain: float | None = None
) -> Forecast:
    """The power of the study of `table`, whose rows are `recorded`, with SEEDS and the `planned` number of seeds.

    gain: also what would find so many points.
    """
    study, seeds = table.study, tuple(sorted({*SEEDS, max(planned, LEAST_SEEDS)}))
    runs = {row: _finished(of_row.values()) for row, of_row in recorded.items()}
    every = [run for of_row in runs.values() for run in of_row.values()]
    clusters, titles = clusters_of(every), {row.name: row.title for row in study.rows}
    outlooks, absent = [], []
    for contrast in contrasts_of(study, runs):
        common = common_runs(contrast, runs)
        if not common or is_single(clusters):
            absent.append(contrast)
            continue
        named, seconds = (titles[contrast.row], titles[contrast.against]), _seconds(common, results)
        for metric in METRICS:
            ours, theirs = (scores_of(of_row, metric) for of_row in zip(*common, strict=True))
            known, gain_now = decompose(ours - theirs, clusters), 100 * float((ours - theirs).mean())
            outlooks.append(
                _outlook(Measured(contrast, named, metric, gain_now, known, seconds), seeds, gain)
            )
    return Forecast(
        study=study.name,
        heading=f"{study.title}, {table.heading}",
        warning=table.caution,
        seeds=seeds,
        clusters="person" if np.array_equal(people_of(every), clusters) else "family",
        outlooks=tuple(outlooks),
        absent=tuple(absent),
    )


def _finished(runs: Iterable[object]) -> dict[int, Finished]:
    return {run.seed: run for run in runs if isinstance(run, Finished)}


def contrasts_of(study: Study, rows: Iterable[str]) -> list[Contrast]:
    """Contrasts of the study's question, and those of its rows with the baseline, each once, of two of `rows`."""
    there = set(rows)
    pairs = [*study.contrasts, *(Contrast(row.name, study.reference) for row in study.rows if row.compared)]
    return [
        pair
        for pair in dict.fromkeys(pairs)
        if pair.row != pair.against and {pair.row, pair.against} <= there
    ]


def _outlook(measured: Measured, seeds: Sequence[int], gain: float | None) -> Outlook:
    known = measured.components
    designs = [Design(count, people) for people in PEOPLE for count in seeds]
    need = None
    if gain is not None:
        wider = people_needed(known, gain, max(known.seeds, LEAST_SEEDS))
        need = Need(gain, seeds_needed(known, gain), wider)
    return Outlook(
        measured=measured,
        now=foresee(known, Design(known.seeds)),
        longer=foresee(known, Design(known.seeds + MORE_SEEDS)),
        wider=foresee(known, Design(known.seeds, 2.0)),
        detectable={design: foresee(known, design).detectable for design in designs},
        need=need,
    )


def _seconds(pairs: Sequence[Sequence[Finished]], results: Results) -> float | None:
    """The mean time of a seed of two rows, stages that they share once; None where a record lacks it."""
    found = [_seconds_of_seed(pair, results) for pair in pairs]
    known = [one for one in found if one is not None]
    return mean(known) if len(known) == len(found) else None


def _seconds_of_seed(pair: Sequence[Finished], results: Results) -> float | None:
    stages = {name for run in pair for name in run.record.get("stages", {}).values()}
    records = [run.record for run in pair]
    records += [results.read_record(results.stage_folder(name)) or {} for name in sorted(stages)]
    seconds = [record.get("cost", {}).get("seconds") for record in records]
    return None if None in seconds else float(sum(seconds))
