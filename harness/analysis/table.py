"""A table as values: what is measured of a row, where it comes from, and what sets the table apart from its study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.analysis import costs
from harness.analysis.health import Fault
from harness.analysis.outcomes import Problem
from harness.analysis.statistics import Estimate, Judgement
from harness.analysis.tried import Tried
from harness.display.text import describe_changes, describe_partial
from studies.presets import TableWarning
from studies.published import Published
from studies.study import Contrast, Row, Study

MEAN_AP, RANK1 = "mAP", "Rank-1"
METRICS = (RANK1, MEAN_AP)  # in the order of the paper's Table 3
MORE_METRICS = ("Rank-5", "Rank-10", "mINP")  # that rows are not compared by
ClusterName = Literal["family", "person"]
CLUSTER_WORDS: Mapping[str, tuple[str, str]] = {
    "family": ("family", "families"),
    "person": ("identity", "identities"),
}
"""The words for a cluster of queries, and for several."""
UNLEARNED = "not learned"  # before the verdict of a row with a fault of health
BASELINE = "baseline"  # the verdict of the row that the others are compared with


@dataclass(frozen=True)
class Measure:
    """A metric that a run has one number for: its key in the record, its heading, and how many decimals it bears."""

    key: str
    heading: str
    decimals: int


MAJORITIES = (  # part accuracy of naming the commonest part everywhere, on each grid
    Measure("part_majority", "tokens", 1),
    Measure("fused_part_majority", "fused map", 1),
)
SHARES = (  # of what a run measures: percent
    "part_accuracy",
    "fused_part_accuracy",
    *(item.key for item in MAJORITIES),
)
CONSISTENCY = (
    Measure("part_accuracy", "Part accuracy, %", 1),
    Measure("part_margin", "Cosine margin, same part minus other part", 3),
    Measure("part_margin_across", "Cosine margin across identities", 3),
    Measure("fused_part_accuracy", "Fused map: part accuracy, %", 1),
    Measure("fused_part_margin_across", "Fused map: cosine margin across identities", 3),
)


@dataclass(frozen=True)
class Column:
    """A further column: what is known of rows beside their scores, by name; a row without a value has a dash.

    key and heading: for programs and for people; the unit stands in the heading. note: what it is, for the footer.
    """

    key: str
    heading: str
    values: Mapping[str, Estimate | float]
    decimals: int
    note: str = ""


@dataclass(frozen=True)
class Setting:
    """The paper's names of the data set and backbone, empty if the paper has neither; only such rows are compared.

    `backbone`: as it is typed. `note`: what else, by the recipes they start from, tells the rows apart. `changes`:
    what preset and --set put into every row that does not set it itself. `partial`: found and expected pictures by
    set, where these are not a public data set's own. `departures`: all that sets the table apart from its study, by
    heading. `code`: the digest of the code at hand; empty where nobody asks whether rows were trained by other code.
    """

    dataset: str = ""
    backbones: tuple[str, ...] = ()
    note: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    departures: Mapping[str, str] = field(default_factory=dict)
    backbone: str = ""
    code: str = ""

    def has(self, published: Published) -> bool:
        """Whether a published figure is of this data set and backbone."""
        return published.dataset == self.dataset and published.backbone in self.backbones


@dataclass(frozen=True)
class Line:
    """A row of the table. `means`, `gains` and `consistency` have no entry for a metric without a measurement.

    `differences`: means less what the paper reports for the same data set and backbone, where it does.
    `trained`: whether runs of ours stand behind it, not descriptors of other code.
    `health`: whether its parts took hold, empty where that was not measured; `faults`: what did not.
    `cost`: at test time, in studies that ask for it. `finished` and `planned` count seeds; `problems`: what is missing
    or failed. `verdict` is empty where there is none; `absence` then says why, but for the baseline.
    """

    row: Row
    means: Mapping[str, Estimate]
    gains: Mapping[str, Judgement]
    differences: Mapping[str, float]
    consistency: Mapping[str, Estimate]
    trained: bool
    health: Mapping[str, Estimate]
    faults: tuple[Fault, ...]
    cost: costs.Cost | None
    verdict: str
    absence: str
    is_baseline: bool
    finished: int
    planned: int
    problems: tuple[Problem, ...]

    @property
    def standing(self) -> str:
        """The verdict, or the reason why there is none; in brackets where the row did not learn what it is about."""
        said = BASELINE if self.is_baseline else self.verdict or self.absence
        return f"{UNLEARNED} ({said})" if self.faults else said


@dataclass(frozen=True)
class ContrastLine:
    """A comparison that the study's question asks for. `gains` by metric: of the row less the row it is held against.

    `absence`: why there are none; empty where there are. `unlearned`: whether either row has a fault of health.
    """

    contrast: Contrast
    row: Row
    against: Row
    gains: Mapping[str, Judgement]
    verdict: str
    absence: str
    unlearned: bool

    @property
    def pair(self) -> str:
        """The two rows in words."""
        row, against = (one.title.removeprefix("+ ") for one in (self.row, self.against))
        return f"{row} over {against}"

    @property
    def title(self) -> str:
        """The comparison in words."""
        return f"Gain of {self.pair}"

    @property
    def standing(self) -> str:
        """The verdict, or the reason why there is none; in brackets where a row did not learn what it is about."""
        said = self.verdict or self.absence
        return f"{UNLEARNED} ({said})" if self.unlearned else said


@dataclass(frozen=True)
class Footer:
    """The provenance of a table's numbers; `minimum_detectable` by metric, in percent points.

    `clusters`: what hangs together, and `cluster_count` of them; `degrees`: the fewest and most of freedom of a gain.
    `retraining_shares`: by metric, the part of each gain's variance that retraining makes; the rest is the queries'.
    `worlds`: those that were drawn, where the table is about several; queries, people and clusters are then of each, and
    `world_shares` the parts of the gains' variances that only further worlds take away.
    `codes`: digests of the code that rows were trained and scored by, by row; empty: recorded before there was one.
    """

    signature: str
    queries: int
    people: int
    clusters: ClusterName
    cluster_count: int
    degrees: tuple[float, float] | None
    seeds: tuple[int, ...]
    devices: tuple[str, ...]
    commits: tuple[str, ...]
    dates: tuple[str, ...]
    precisions: tuple[str, ...]
    weights: tuple[str, ...]
    codes: Mapping[str, tuple[str, ...]]
    minimum_detectable: Mapping[str, float]
    retraining_shares: Mapping[str, tuple[float, ...]]
    worlds: tuple[int, ...] = ()
    world_shares: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A study with its answers. `dataset` names what was scored; `warning` heads a table not meant to be quoted.

    tried: the test runs of --limit-steps, whose scores are not reported.
    """

    study: Study
    dataset: str
    warning: TableWarning | None
    lines: tuple[Line, ...]
    footer: Footer | None
    setting: Setting
    columns: tuple[Column, ...] = ()
    contrasts: tuple[ContrastLine, ...] = ()
    tried: Tried | None = None

    @property
    def reference(self) -> str:
        """The title of the baseline row, or its name if the table leaves it out."""
        titles = {row.name: row.title for row in self.study.rows}
        return titles.get(self.study.reference, self.study.reference)

    def codes(self, line: Line) -> tuple[str, ...]:
        """The digests of the code that a row was trained and scored by; none where nobody knows."""
        return self.footer.codes.get(line.row.name, ()) if self.footer else ()

    def is_by_other_code(self, line: Line) -> bool:
        """Whether a row of ours is known to owe to other code than that at hand."""
        codes, today = set(self.codes(line)), self.setting.code
        return line.trained and bool(today and codes) and codes != {today}

    @property
    def worlds(self) -> tuple[int, ...]:
        """The worlds that it is about; empty where it is about one alone."""
        return self.footer.worlds if self.footer else ()

    @property
    def clusters(self) -> ClusterName:
        """The groups of queries that hang together; people where nothing was scored."""
        return self.footer.clusters if self.footer else "person"

    @property
    def is_tried_only(self) -> bool:
        """Whether there are test runs and no results."""
        return self.tried is not None and self.footer is None

    @property
    def caution(self) -> str:
        """The whole warning: `SMOKE RUN: a few people ...`; empty where there is none."""
        return f"{self.warning.title}: {self.warning.text}" if self.warning else ""

    @property
    def heading(self) -> str:
        """The data set and backbone, with the missing part of a partial data set and the changes by preset and --set."""
        partial = f"partial: {describe_partial(self.setting.partial)}" if self.setting.partial else ""
        changes = f"with {describe_changes(self.setting.changes)}" if self.setting.changes else ""
        return ", ".join(filter(None, (self.dataset, partial, changes)))
