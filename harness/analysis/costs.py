"""The inference cost of each row, from its records: counted parameters and MACs, measured speed.

A measured speed belongs to a device, so it stands in a table of its own that names it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from harness.store.records import Finished

HEADINGS = ["Row", "Parameters, millions", "MACs per image, millions", "Images/s", "Device"]
NOTE = (
    "**Cost at test time** of the deployed descriptor: what it depends on and computes, counted by torch, and images a "
    "second in batches of 64 as measured when the row was scored, the median over seeds, without reading images. "
    "Texts, heads and fusion are training's alone and cost nothing here."
)


@dataclass(frozen=True)
class Cost:
    """The cost of a row's descriptor; its counted figures are those of all its runs."""

    parameters: int
    macs: int
    images_per_second: float
    devices: tuple[str, ...]


def gather(runs: Sequence[Finished]) -> Cost | None:
    """The cost of the runs of one row; None where their records, older than this, have none.

    Raises ValueError where runs of one recipe count differently, which cannot be.
    """
    found = [run.record["inference"] for run in runs if "inference" in run.record]
    if not found:
        return None
    ((parameters, macs),) = {(one["parameters"], one["macs"]) for one in found}
    speed = median(one["images_per_second"] for one in found)
    return Cost(parameters, macs, speed, tuple(sorted({run.device for run in runs})))


def rows(lines: Iterable[tuple[str, Cost | None]]) -> list[list[str]]:
    """Cells under HEADINGS of rows by title."""
    return [[title, *(_cells(cost) if cost else ["-"] * 4)] for title, cost in lines]


def _cells(cost: Cost) -> list[str]:
    return [
        f"{cost.parameters / 1e6:.3f}",
        f"{cost.macs / 1e6:.1f}",
        f"{cost.images_per_second:.0f}",
        "; ".join(cost.devices),
    ]
