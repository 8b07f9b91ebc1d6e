"""Power without records: what a design would detect if single queries differed so much, and retraining moved so much."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from harness.power.planning import Design, assumed, detectable
from harness.report.grid import grid

DEVIATIONS = (5.0, 10.0, 20.0)  # points, of paired differences of single queries
RETRAINING = (
    0.0,
    0.2,
    0.5,
)  # points, of a mean difference over seeds: version 2's reruns of CLIP-ReID moved by .5 and .6
WITHIN = 0.2  # correlation of a person's differences


@dataclass(frozen=True)
class Scenario:
    """An assumption, in points, and the minimum detectable gain under it."""

    deviation: float
    retraining: float
    within: float
    detectable: float


@dataclass(frozen=True)
class Assumptions:
    """Scenarios of one test set and number of seeds; `gain`: the one to be found, if one was named."""

    title: str
    queries: int
    people: int
    seeds: int
    gain: float | None
    scenarios: tuple[Scenario, ...]


def assume(
    title: str, queries: int, people: int, seeds: int, gain: float | None = None, within: float = WITHIN,
    deviations: Sequence[float] = DEVIATIONS,
) -> Assumptions:  # fmt: skip
    """The minimum detectable gain of so many seeds on this test set, for each deviation and each noise of retraining."""
    scenarios = tuple(
        Scenario(
            deviation,
            retraining,
            within,
            detectable(assumed(queries, people, deviation, within, retraining), Design(seeds)),
        )
        for deviation in deviations
        for retraining in RETRAINING
    )
    return Assumptions(title, queries, people, seeds, gain, scenarios)


def markdown(found: Assumptions) -> str:
    """The scenarios as GitHub's Markdown; ends in a newline."""
    by_deviation: dict[float, list[Scenario]] = {}
    for one in found.scenarios:
        by_deviation.setdefault(one.deviation, []).append(one)
    headings = ["Standard deviation of a query's paired difference"]
    headings += [f"Retraining ±{one:g}" for one in RETRAINING]
    rows = [
        [f"{deviation:g}", *(_cell(one, found.gain) for one in of)] for deviation, of in by_deviation.items()
    ]
    within = found.scenarios[0].within
    marked = f" Those that find +{found.gain:g} are bold." if found.gain is not None else ""
    blocks = [
        f"### Power on {found.title}, {found.seeds} seeds, assumed",
        f"No record is used: minimum detectable gain (80 % power, in points) of {found.queries:,} queries of "
        f"{found.people:,} identities under assumptions. Differences of one identity correlate by {within:g}; retraining "
        "moves the mean difference by the standard deviation above; more seeds lessen nothing else. The metric is mAP, "
        "or Rank-1, where the deviation is 100 times the root of the share of discordant queries."
        f"{marked}",
        grid(headings, rows),
    ]
    return "\n\n".join(blocks) + "\n"


def _cell(scenario: Scenario, gain: float | None) -> str:
    text = f"{scenario.detectable:.2f}"
    return f"**{text}**" if gain is not None and scenario.detectable <= gain else text


def to_json(found: Assumptions) -> str:
    """The scenarios as JSON."""
    return json.dumps(asdict(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


PRINTERS: dict[str, Callable[[Assumptions], str]] = {"markdown": markdown, "json": to_json}
