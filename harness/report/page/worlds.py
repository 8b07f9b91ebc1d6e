"""A table across worlds in words and grids: its two intervals, the gain in each world, and variance components."""

import numpy as np
from scipy import special

from harness.analysis.components import SOURCES, Component, Source
from harness.analysis.significance import LEVEL
from harness.analysis.statistics import LEAST_WORLDS, Beyond
from harness.analysis.table import CLUSTER_WORDS, Footer, Table
from harness.report.grid import number
from harness.report.page.blocks import Block, Grid, Text


def notes(table: Table) -> list[str]:
    """The notes on worlds and on both intervals; none where the table is about one world."""
    if not table.worlds:
        return []
    count, many = len(table.worlds), CLUSTER_WORDS[table.clusters][1]
    few = f" Fewer than {LEAST_WORLDS} give no verdict." if count < LEAST_WORLDS else ""
    return [
        f"**Worlds** {join(table.worlds)}: training identities, test identities and cameras are drawn anew in each; "
        f"{many} and seeds are nested in worlds. The interval beside a gain is for *these identities*: retraining and "
        f"{many} vary, worlds do not. For *identities like these* a world is one more draw: Student's interval over "
        f"the means of {count} worlds, {count - 1} degrees of freedom. p and verdict follow the wider of the two.{few}"
    ]


def describe_measured(footer: Footer) -> str:
    """The seeds of a table, and its worlds where there are several."""
    seeds = f"with seeds {join(footer.seeds)}"
    return f"in each of worlds {join(footer.worlds)} {seeds}" if footer.worlds else seeds


def section(table: Table) -> list[Block]:
    """The blocks on the gain in each world and its variance components; none where the table is about one world."""
    if not table.worlds:
        return []
    named = [(line.row.title, line.gains) for line in table.lines]
    named += [(line.pair, line.gains) for line in table.contrasts]
    metric = table.study.primary
    found = [
        (title, gains[metric].comparison.gain.mean, beyond)
        for title, gains in named
        if metric in gains and (beyond := gains[metric].comparison.beyond)
    ]
    title = (
        f"**Variance of gains across worlds**, {metric}: standard deviations in points [95 % interval]. Worlds: of a "
        f"world's true mean gain; clusters are {CLUSTER_WORDS[table.clusters][1]}; an effect that is not seen is 0. "
        "First the gain in each world, then half the interval for identities like these as measured and with more worlds "
        "whose gains spread alike."
    )
    return [Text(title), _each(table, found), _components(found)] if found else []


def _each(table: Table, found: list[tuple[str, float, Beyond]]) -> Grid:
    measured = len(table.worlds)
    counts = list(dict.fromkeys((measured, measured + 1, 2 * measured)))
    rows = [
        [
            title,
            *(_points(beyond.by_world.get(world)) for world in table.worlds),
            number(mean, 2, "+"),
            *(f"±{reach:.2f}" if (reach := foresee_reach(beyond, count)) else "-" for count in counts),
        ]
        for title, mean, beyond in found
    ]
    headings = [*(f"World {one}" for one in table.worlds), "Mean", *(f"{count} worlds" for count in counts)]
    return Grid([f"{table.study.primary} gain", *headings], rows)


def foresee_reach(beyond: Beyond, worlds: int) -> float | None:
    """Half the interval for identities like these that so many worlds would have, if their means spread as measured.

    In points; None where one world was measured.
    """
    measured = len(beyond.by_world)
    if measured < 2:
        return None
    spread = beyond.gain.standard_error * np.sqrt(measured)
    return float(special.stdtrit(worlds - 1, 1 - LEVEL / 2) * spread / np.sqrt(worlds))


def _components(found: list[tuple[str, float, Beyond]]) -> Grid:
    sources: tuple[Source, ...] = ("worlds", *SOURCES)
    rows = [
        [title, *(deviation(beyond.components.by_source.get(source)) for source in sources)]
        for title, _, beyond in found
        if beyond.components
    ]
    return Grid(["Standard deviation", *(source.capitalize() for source in sources)], rows)


def deviation(component: Component | None) -> str:
    """The standard deviation of a variance with its interval, in points; a dash where it is not known."""
    if component is None or np.isnan(component.variance):
        return "-"
    return "{:.2f} [{:.2f}, {:.2f}]".format(*np.sqrt([component.variance, component.low, component.high]))


def _points(gain: float | None) -> str:
    return "-" if gain is None else number(gain, 2, "+")


def join(numbers: tuple[int, ...]) -> str:
    """Numbers joined by commas."""
    return ", ".join(map(str, numbers))
