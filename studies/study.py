"""What a study is: rows of recipes, the row they are measured against, and what counts as no difference."""

from dataclasses import dataclass

from pivl.recipe import Recipe
from studies.published import Published


@dataclass(frozen=True)
class Row:
    """One row of a table: `name` is typed on the command line, `title` printed; `published` where the paper has it."""

    name: str
    title: str
    recipe: Recipe
    published: Published | None = None


@dataclass(frozen=True)
class Study:
    """A question and the rows that answer it.

    `reference` names the row that the others are compared with. `margin`, in mAP points, is declared before any
    run: a row whose whole interval lies within it is called equivalent to the reference.
    """

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    reference: str
    caption: str
    dataset: str = "synthped"
    seeds: tuple[int, ...] = (0, 1, 2)
    margin: float = 0.5
