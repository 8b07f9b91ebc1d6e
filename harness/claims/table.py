"""A printed table as values: percentages with the digits that were printed, by method, data set and metric."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MEAN_AP, MEAN_INP, RANK1 = "mAP", "mINP", "Rank-1"


@dataclass(frozen=True)
class Dataset:
    """A test set as its title, number of queries, and number of people among them (None: not known)."""

    title: str
    queries: int
    people: int | None = None

    @property
    def per_person(self) -> float | None:
        """Queries per person, which is the design effect if all queries of a person move together."""
        return None if self.people is None else self.queries / self.people


@dataclass(frozen=True)
class Cell:
    """A printed percentage; `gain`: the difference that is printed beside it; `bold`: whether it is stressed."""

    value: Decimal
    gain: Decimal | None = None
    bold: bool = False

    @property
    def half(self) -> Decimal:
        """Half a unit of the last printed digit: what rounding may have taken or added."""
        return half_unit(self.value)


@dataclass(frozen=True)
class Column:
    """A column's data set, by title, and metric: Rank-k, mAP or mINP."""

    dataset: str
    metric: str

    @property
    def rank(self) -> int | None:
        """The k of Rank-k; None for a mean over queries."""
        match = re.fullmatch(r"Rank-(\d+)", self.metric)
        return int(match[1]) if match else None


@dataclass(frozen=True)
class Row:
    """A method's line: its cells by column, and by number the rows of this table that it is compared with.

    `identity` is the name under which the same method is looked for in other tables, `backbone` included.
    """

    method: str
    cells: Mapping[Column, Cell]
    backbone: str = ""
    parents: tuple[int, ...] = ()

    @property
    def identity(self) -> tuple[str, str]:
        """The method's name without citations, "(ours)" and the like, in small letters, and its backbone."""
        name = re.sub(r"\[[^\]]*\]|\((ours|baseline|proposed)\)|[*_†‡]", "", self.method.casefold())
        return " ".join(name.split()), self.backbone.casefold()


@dataclass(frozen=True)
class PrintedTable:
    """A table as it is printed; `unread`: columns that name no metric and were passed over."""

    title: str
    rows: tuple[Row, ...]
    unread: tuple[str, ...] = field(default=())

    def ancestors(self, number: int) -> list[int]:
        """The rows that row `number` is compared with, those that these are compared with, and so on."""
        found: list[int] = []
        left = [*self.rows[number].parents]
        while left:
            if (parent := left.pop(0)) not in found:
                found.append(parent)
                left += self.rows[parent].parents
        return found


def half_unit(value: Decimal) -> Decimal:
    """Half a unit of the last digit of `value`."""
    return Decimal((0, (5,), int(value.as_tuple().exponent) - 1))
