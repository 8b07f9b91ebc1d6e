"""The outcome of each cell of a table: a finished run, or why there is no result, as types with fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.store.records import Failed, Finished


@dataclass(frozen=True)
class Missing:
    """A run of which nothing sound is recorded."""


@dataclass(frozen=True)
class DryRun:
    """A test run: each stage was cut short after `steps`, and its scores are not reported."""

    steps: int


Outcome = Finished | Failed | Missing | DryRun
Outcomes = Mapping[str, Mapping[int, Outcome]]
"""By row and seed."""
Recorded = Mapping[str, Mapping[int, Finished | Failed | None]]
"""The recorded runs by row and seed, dry runs among them; None where nothing sound is recorded."""


@dataclass(frozen=True)
class Problem:
    """A row's lack of results: the reason, the `seeds` (none: all), and the error as `detail`.

    is_test: whether it is that of a test run, which went as it should.
    """

    reason: str
    seeds: tuple[int, ...] = ()
    detail: str = ""
    is_test: bool = False

    @property
    def brief(self) -> str:
        """The problem without its detail: `seeds 0, 1 failed`."""
        if not self.seeds:
            return self.reason
        return f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))} {self.reason}"

    @property
    def text(self) -> str:
        """The whole problem: `seeds 0, 1 failed: no memory`."""
        return f"{self.brief}: {self.detail}" if self.detail else self.brief


def outcome_of(run: Finished | Failed | None) -> Outcome:
    """The outcome of a run as it is recorded."""
    if run is None:
        return Missing()
    steps = run.record.get("limit_steps") if isinstance(run, Finished) else None
    return DryRun(steps) if steps else run


def find_problems(seeds: Sequence[int], outcomes: Mapping[int, Outcome]) -> list[Problem]:
    """The problems of a row planned at `seeds`, each once, with the seeds that have it unless all do."""
    by_problem: dict[Problem, list[int]] = {}
    for seed in seeds:
        if (problem := _problem(outcomes.get(seed, Missing()))) is not None:
            by_problem.setdefault(problem, []).append(seed)
    if not seeds:
        return [Problem("missing")]
    if list(by_problem.values()) == [list(seeds)]:
        return list(by_problem)
    return [replace(one, seeds=tuple(which)) for one, which in by_problem.items()]


def _problem(outcome: Outcome) -> Problem | None:
    match outcome:
        case Failed():
            return Problem("failed", detail=outcome.error)
        case Missing():
            return Problem("missing")
        case DryRun():
            return Problem(f"test run (--limit-steps {outcome.steps}), scores not reported", is_test=True)
    return None
