"""A whole printed table, recomputed from its queries by other code: sums of squares written out, other random numbers."""

import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import special

from harness.analysis import comparison
from harness.report import markdown as printers
from harness.store.records import Finished
from tests.support.scored_runs import ABLATION, SIGNATURE, named_cells

SEEDS, FAMILIES, MEMBERS, QUERIES = range(3), range(20), 2, 3
FLIPS = 40_000
Scores = dict[int, dict[int, list[float]]]  # by seed and family: a score for each query
NUMBER = re.compile(r"[-+]?\d+\.\d+|\d+")


def runs_of(place: int) -> dict[int, Finished]:
    """Runs of a row whose precision depends on a family, on a seed, on both, and on luck."""
    drawn = np.random.default_rng(40 + place)
    family = np.repeat(np.arange(20), MEMBERS * QUERIES)
    shared = np.random.default_rng(4).uniform(0.2, 0.7, len(family)) + drawn.exponential(0.02, 20)[family]
    found = {}
    for seed in SEEDS:
        luck = drawn.normal(0, 0.012) + drawn.normal(0, 0.01, 20)[family] + drawn.normal(0, 0.03, len(family))
        precision = np.clip(shared + 0.03 * place + luck, 0, 1)
        queries = pd.DataFrame(
            {
                "person": np.repeat(np.arange(20 * MEMBERS), QUERIES),
                "cluster": 100 + family,
                "average_precision": precision,
                "first_match": np.where(precision > 0.5, 0, 3),
            }
        )
        record = {"date": "2026-11-27", "recipe": {"precision": "fp32"}}
        found[seed] = Finished(f"{place}-{seed}", seed, {}, SIGNATURE, queries, "cpu", "abc", record)
    return found


RUNS = {row.name: runs_of(place) for place, row in enumerate(ABLATION.rows)}


def read(row: str, score: Callable[[pd.Series], float]) -> Scores:
    table: Scores = {seed: {family: [] for family in FAMILIES} for seed in SEEDS}
    for seed, run in RUNS[row].items():
        for _, query in run.queries.iterrows():
            table[seed][int(query["cluster"]) - 100].append(score(query))
    return table


SCORES = {
    "mAP": {row: read(row, lambda query: float(query["average_precision"])) for row in RUNS},
    "Rank-1": {row: read(row, lambda query: 1.0 if query["first_match"] == 0 else 0.0) for row in RUNS},
}


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def typical(degrees: int) -> float:
    """The mean of a mean square over its geometric mean; digamma by its recurrence from -gamma or -gamma - log 4."""
    steps = range(1, degrees // 2) if degrees % 2 == 0 else range(1, (degrees + 1) // 2)
    digamma = -np.euler_gamma
    if degrees % 2 == 0:
        digamma += sum(1 / step for step in steps)
    else:
        digamma += -math.log(4) + sum(2 / (2 * step - 1) for step in steps)
    return math.exp(math.log(degrees / 2) - digamma)


def analyse(table: Scores) -> tuple[float, float, float, float, float]:
    """Mean, bounds, standard error, degrees of freedom, in points: two-way analysis of variance, one value a cell."""
    cell = {(seed, family): mean(table[seed][family]) for seed in SEEDS for family in FAMILIES}
    seeds, families = len(SEEDS), len(FAMILIES)
    grand = mean(list(cell.values()))
    of_seed = {seed: mean([cell[seed, family] for family in FAMILIES]) for seed in SEEDS}
    of_family = {family: mean([cell[seed, family] for seed in SEEDS]) for family in FAMILIES}
    squares_seed = families * sum((one - grand) ** 2 for one in of_seed.values())
    squares_family = seeds * sum((one - grand) ** 2 for one in of_family.values())
    squares_all = sum((one - grand) ** 2 for one in cell.values())
    freedom = (seeds - 1, families - 1, (seeds - 1) * (families - 1))
    squares = (squares_seed, squares_family, squares_all - squares_seed - squares_family)
    part = [one / degrees / (seeds * families) for one, degrees in zip(squares, freedom, strict=True)]
    variance = max(part[0] + part[1] - part[2], part[0], part[1])
    sized = [one * typical(degrees) for one, degrees in zip(part, freedom, strict=True)]
    whole = max(sized[0] + sized[1] - sized[2], sized[0], sized[1])
    spread = sum(one**2 / degrees for one, degrees in zip(sized, freedom, strict=True))
    degrees = max(whole**2 / spread, seeds - 1)
    reach = special.stdtrit(degrees, 0.975) * math.sqrt(variance)
    return 100 * grand, 100 * (grand - reach), 100 * (grand + reach), 100 * math.sqrt(variance), degrees


def less(one: Scores, other: Scores) -> Scores:
    return {
        seed: {
            family: [a - b for a, b in zip(one[seed][family], other[seed][family], strict=True)]
            for family in FAMILIES
        }
        for seed in SEEDS
    }


def chance(difference: Scores) -> float:
    """The larger of both p values: of the interval, and of flipping the signs of families."""
    found, _, _, error, degrees = analyse(difference)
    by_interval = 2 * special.stdtr(degrees, -abs(found) / error)
    sums = np.array(
        [sum(mean(list(q)) for q in zip(*(difference[s][f] for s in SEEDS), strict=True)) for f in FAMILIES]
    )
    signs = np.random.default_rng(2_026).choice([-1.0, 1.0], (FLIPS, len(sums)))
    return max(by_interval, float((np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12).mean()))


def holm(values: dict[str, float]) -> dict[str, float]:
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(values, key=lambda name: values[name])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[name]))
        adjusted[name] = largest
    return adjusted


def agrees(cell: str, difference: Scores, p: float) -> bool:
    """Whether a printed gain has these digits; a p of flips, whose chance is the printer's own, to within its error."""
    found, low, high, *_ = analyse(difference)
    printed = [float(number) for number in NUMBER.findall(cell)]
    assert printed[:3] == pytest.approx([found, low, high], abs=0.0051)
    assert printed[3] == pytest.approx(p, abs=0.002 + 0.1 * p)
    return True


def verdict(difference: Scores, p: float) -> str:
    found, low, high, *_ = analyse(difference)
    if p < 0.05:
        return "better" if found > 0 else "worse"
    return "equivalent" if low > -0.5 and high < 0.5 else "inconclusive"


def alone(difference: Scores) -> tuple[int, int]:
    every = [one for of_seed in difference.values() for of_family in of_seed.values() for one in of_family]
    return sum(one > 0 for one in every), sum(one < 0 for one in every)


TABLE = comparison.build(ABLATION, "synthped", RUNS)
TEXT = printers.markdown(TABLE)
RESULTS, CONTRASTS = TEXT.split("**Contrasts**")


def compare(pairs: dict[str, tuple[str, str]], metric: str) -> dict[str, tuple[Scores, float]]:
    """The differences and adjusted p values of a family of comparisons, by the titles that they are printed under."""
    found = {title: less(SCORES[metric][one], SCORES[metric][other]) for title, (one, other) in pairs.items()}
    adjusted = holm({title: chance(difference) for title, difference in found.items()})
    return {title: (difference, adjusted[title]) for title, difference in found.items()}


@pytest.mark.parametrize("metric", SCORES)
def test_every_mean_with_its_interval(metric: str) -> None:
    for row in ABLATION.rows:
        found, low, high, *_ = analyse(SCORES[metric][row.name])
        shown = named_cells(RESULTS, row.title)
        printed = [float(number) for number in NUMBER.findall(shown[f"Ours, synthped: {metric}"])]
        assert printed == pytest.approx([found, max(low, 0), min(high, 100)], abs=0.051)


@pytest.mark.parametrize("metric", SCORES)
def test_every_gain_over_the_baseline_with_interval_p_and_verdict(metric: str) -> None:
    pairs = {row.title: (row.name, "clip-reid") for row in ABLATION.rows[1:]}
    for title, (difference, p) in compare(pairs, metric).items():
        shown = named_cells(RESULTS, title)
        cell = f"{shown[f'{metric} gain over CLIP-ReID']}, {shown[f'p, {metric}']}"
        assert agrees(cell, difference, p)
        if metric == "mAP":
            assert shown["Verdict"] == verdict(difference, p)
        else:
            assert f"{title} {alone(difference)[0]} : {alone(difference)[1]}" in TEXT


@pytest.mark.parametrize("metric", SCORES)
def test_every_contrast_with_interval_p_and_verdict(metric: str) -> None:
    titles = {row.name: row.title.removeprefix("+ ") for row in ABLATION.rows}
    steps = (("part-labels", "clip-reid"), ("identity-parts", "part-labels"), ("pi-vl", "identity-parts"))
    pairs = {f"{titles[one]} over {titles[other]}": (one, other) for one, other in steps}
    for title, (difference, p) in compare(pairs, metric).items():
        block = next(one for one in re.split(r"\n\n", CONTRASTS) if f"{metric} gain" in one)
        shown = named_cells(block, title)
        assert agrees(f"{shown[f'{metric} gain']}, {shown['p']}", difference, p)
        if metric == "mAP":
            assert shown["Verdict"] == verdict(difference, p)
        else:
            assert shown["Discordant pairs"] == "{} : {}".format(*alone(difference))


def test_degrees_of_freedom_and_what_could_be_detected() -> None:
    of = {
        metric: [
            analyse(less(SCORES[metric][row.name], SCORES[metric]["clip-reid"])) for row in ABLATION.rows[1:]
        ]
        for metric in SCORES
    }
    degrees = sorted(one[4] for gains in of.values() for one in gains)
    assert f"here {degrees[0]:.1f} to {degrees[-1]:.1f};" in TEXT
    least = {
        metric: max(error * (special.stdtrit(v, 0.975) + special.stdtrit(v, 0.8)) for *_, error, v in gains)
        for metric, gains in of.items()
    }
    assert f"{least['Rank-1']:.2f} Rank-1 and {least['mAP']:.2f} mAP" in TEXT
    assert "120 queries of 40 identities in 20 families" in TEXT
