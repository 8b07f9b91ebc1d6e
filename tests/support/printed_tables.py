"""Printed tables as an honest author would make them: drawn scores of queries, rounded; as Markdown that can be read."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

DATASETS = {"market1501": 3368, "dukemtmc": 2228, "msmt17": 11659, "occluded-duke": 2210}
METRICS = ("Rank-1", "Rank-5", "Rank-10", "mAP", "mINP")


@dataclass
class Drawn:
    """A drawn table: texts of cells by row and (data set, metric), its rows' parents, and a title."""

    title: str
    cells: list[dict[tuple[str, str], str]]
    parents: list[int | None]
    names: list[str]

    def markdown(self) -> str:
        """The table in Markdown under its title."""
        columns = list(self.cells[0])
        headings = ["method", "parent", *(f"{dataset} {metric}" for dataset, metric in columns)]
        lines = [f"## {self.title}", "", _line(headings), _line(["---"] * len(headings))]
        for name, parent, cells in zip(self.names, self.parents, self.cells, strict=True):
            above = "" if parent is None else self.names[parent]
            lines.append(_line([name, above, *(cells[column] for column in columns)]))
        return "\n".join([*lines, "", ""])


def draw_tables(seed: int) -> list[Drawn]:
    """Two tables of drawn methods at one or two decimals; the first methods are in both, with the same figures."""
    draw = np.random.default_rng(seed)
    decimals, names = int(draw.integers(1, 3)), [f"method {n}" for n in range(int(draw.integers(2, 6)))]
    dataset = str(draw.choice(list(DATASETS)))
    exact = [_scores(draw, DATASETS[dataset]) for _ in names]
    first = _print("first", names, exact, dataset, decimals, chain=True)
    return [first, _print("second", names[:1], exact[:1], dataset, decimals, chain=False)]


def _scores(draw: np.random.Generator, queries: int) -> dict[str, float]:
    """Exact percentages by metric, of drawn ranks of every query's right answers."""
    first = draw.geometric(draw.uniform(0.3, 0.9), queries)
    last = first + draw.geometric(draw.uniform(0.05, 0.5), queries)
    right = [100 * float((first <= k).mean()) for k in (1, 5, 10)]
    precision = 100 * float(((1 / first + 2 / last) / 2).mean())
    penalty = min(precision, 100 * float((2 / last).mean()))
    return dict(zip(METRICS, [*right, precision, penalty], strict=True))


def _print(
    title: str, names: list[str], exact: list[dict[str, float]], dataset: str, decimals: int, chain: bool
) -> Drawn:
    cells: list[dict[tuple[str, str], str]] = []
    best = {metric: max(f"{row[metric]:09.{decimals}f}" for row in exact) for metric in METRICS}
    for number, row in enumerate(exact):
        texts = {}
        for metric, value in row.items():
            text = f"{value:.{decimals}f}"
            if f"{value:09.{decimals}f}" == best[metric]:
                text = f"**{text}**"
            if chain and number:
                text += f" ({value - exact[number - 1][metric]:+.{decimals}f})"
            texts[dataset, metric] = text
        cells.append(texts)
    return Drawn(title, cells, [n - 1 if chain and n else None for n in range(len(names))], names)


def shift(text: str, units: int) -> str:
    """The printed figure of a cell moved by so many units of its last digit; the rest of the cell stays."""
    plain = text.replace("**", "")
    value, _, rest = plain.partition(" ")
    figure = Decimal(value)
    moved = figure + units * Decimal((0, (1,), int(figure.as_tuple().exponent)))
    return text.replace(value, str(moved), 1) if rest or value else text


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
