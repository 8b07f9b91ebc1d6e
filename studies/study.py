"""What a study is: rows of changes to a recipe, the row they are measured against, and what counts as no difference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studies.published import Contradiction, Published

Changes = Mapping[str, Any]
"""From fields of Recipe to values."""

FigureName = Literal["mIoU", "effects"]
"""What is drawn beside a table: gain against mIoU, or every row's gain with its interval (harness.report)."""

ColumnName = Literal["mIoU"]
"""Columns in addition to scores; harness.analysis.columns computes them."""

Method = Literal["CLIP-ReID", "PI-VL", "external"]
"""Whose recipe a row begins with; external: it is not trained here, and has none."""

MetricName = Literal["mAP", "Rank-1"]
"""Scores that rows are compared by."""

Start = Literal["paper", "code", "no-text"]
"""What a row's recipe starts from (studies.backbones): the paper's Sec. 4.2, or CLIP-ReID's code with or without text."""


@dataclass(frozen=True)
class Row:
    """One row of a table: `name` is typed on the command line, `title` printed; `published` where the paper has it.

    Its recipe is that of `start` on the backbone at hand (studies.backbones) with `changes`, which alone make the row.
    `method`: whose published figures are the row's. `rendered`: only rendered people can have it.
    A row that is not `default` is trained only if it is named. `maps`: the part maps that it trains on,
    where they are not the data set's own: a source of pivl.parsers.map_sources, or a folder that --parser-maps named.
    Rows of a `section` stand in a table of their own under that title, and are judged apart from the others.
    `student`: it trains the student at hand in stage 2, not CLIP's image tower. A row that is not `compared` is there to
    be seen beside the others: it has no gain over the baseline and no verdict. `loss` and `head`: code of one's own, as
    pivl.stages.own_code has it, a term of stage 2 weighted by own_loss_weight and what stands in the pyramid's place.
    """

    name: str
    title: str
    method: Method
    changes: Changes
    published: Published | None = None
    default: bool = True
    maps: str | None = None
    section: str = ""
    student: bool = False
    compared: bool = True
    start: Start = "paper"
    rendered: bool = False
    loss: Callable[..., Any] | None = None
    head: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Contrast:
    """A comparison that a study's question asks for: a row with the row that it is held `against`, by their names."""

    row: str
    against: str


@dataclass(frozen=True)
class Study:
    """A question and the rows that answer it.

    `reference` names the baseline, the row that all others are compared with; `contrasts` are what the question itself
    compares, judged as one family. Declared before any run: `primary`, the metric that verdicts are by, and `margin`, in
    points of it: a row whose whole interval lies within it is called equivalent to the other. `published_table` is
    printed below ours, and its figures serve as those of the rows of that method; `contradictions` are those of these
    figures; `columns` are printed in addition to scores. `required`: rows that are always trained. `costs`: whether the
    table has the inference cost of rows. `figure`: what is drawn beside the table.
    """

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    reference: str
    caption: str
    dataset: str = "synthped"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    contrasts: tuple[Contrast, ...] = ()
    primary: MetricName = "mAP"
    margin: float = 0.5
    published_table: tuple[Published, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    columns: tuple[ColumnName, ...] = ()
    required: tuple[str, ...] = ()
    costs: bool = False
    figure: FigureName | None = None
