"""Values of a benchmark, figures with their spread, targets and blocks; and their printers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from harness.report.grid import grid


@dataclass(frozen=True)
class Figure:
    """A figure: the median of its repeats, with their range if there are several."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, name: str, repeats: Sequence[float], unit: str) -> "Figure":
        """The figure of `repeats`."""
        several = len(repeats) > 1
        return cls(
            name, median(repeats), unit, min(repeats) if several else None, max(repeats) if several else None
        )

    def __str__(self) -> str:
        spread = (
            "" if self.low is None or self.high is None else f" [{number(self.low)}, {number(self.high)}]"
        )
        return f"{number(self.value)}{spread} {self.unit}".strip()


@dataclass(frozen=True)
class Bar:
    """A value and its target, the least or the most allowed."""

    name: str
    value: float
    bar: float
    least: bool

    @property
    def passes(self) -> bool:
        """Whether the bar holds."""
        return self.value >= self.bar if self.least else self.value <= self.bar

    def to_json(self) -> dict[str, Any]:
        """The target as JSON: name, value, bar, direction, and pass."""
        side = "at least" if self.least else "at most"
        return {"name": self.name, "value": self.value, "bar": self.bar, "side": side, "pass": self.passes}


@dataclass(frozen=True)
class Block:
    """The figures of one subject, its targets, and notes for reading them."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    bars: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Block":
        """The block that dataclasses.asdict made `value` of."""
        figures, bars = (
            tuple(Figure(**one) for one in value["figures"]),
            tuple(Bar(**one) for one in value["bars"]),
        )
        return cls(value["name"], value["title"], figures, bars, tuple(value["notes"]))


@dataclass(frozen=True)
class Report:
    """The blocks of a benchmark, with place and time: `setting` has device, versions, date and options."""

    setting: Mapping[str, str]
    blocks: tuple[Block, ...]

    @property
    def bars(self) -> list[Bar]:
        """The bars of all blocks."""
        return [bar for block in self.blocks for bar in block.bars]


def to_json(report: Report) -> str:
    """The report as JSON."""
    blocks = [{**asdict(block), "bars": [bar.to_json() for bar in block.bars]} for block in report.blocks]
    whole = {
        "setting": dict(report.setting),
        "bars": [bar.to_json() for bar in report.bars],
        "blocks": blocks,
    }
    return json.dumps(whole, indent=1) + "\n"


def to_markdown(report: Report) -> str:
    """The bars of all blocks, then each block with its figures."""
    where = "\n".join(f"- **{name}**: {value}." for name, value in report.setting.items())
    sections = ["# Performance of pivl-bench", where]
    if report.bars:
        sections += [
            "## Targets",
            grid(["Target", "Measured", "Wanted", "Met"], _bar_rows(report.bars), left=(0, 3)),
        ]
    for block in report.blocks:
        rows = [[figure.name, str(figure)] for figure in block.figures]
        sections += [f"## {block.title}", grid(["What", "Median [least, most]"], rows)]
        if block.notes:
            sections.append("\n".join(f"- {note}" for note in block.notes))
    return "\n\n".join(sections) + "\n"


def to_text(report: Report) -> str:
    """For a terminal: block by block, the bars of each below it."""
    lines = [f"{name}: {value}" for name, value in report.setting.items()]
    for block in report.blocks:
        width = max(map(len, [figure.name for figure in block.figures] + [bar.name for bar in block.bars]))
        lines += ["", block.title]
        lines += [f"  {figure.name:<{width}}  {figure}" for figure in block.figures]
        lines += [
            f"  {name:<{width}}  {measured}, target {asked}: {'met' if holds == 'yes' else 'MISSED'}"
            for name, measured, asked, holds in _bar_rows(block.bars)
        ]
        lines += [f"  ({note})" for note in block.notes]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three figures that count, without an exponent where that reads well."""
    size = abs(value)
    if value == 0:
        return "0"
    if 1e-2 <= size < 1e6:
        return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
    return f"{value:.2g}"


def _bar_rows(bars: Sequence[Bar]) -> list[list[str]]:
    return [
        [
            bar.name,
            number(bar.value),
            f"{'at least' if bar.least else 'at most'} {bar.bar:g}",
            "yes" if bar.passes else "**missed**",
        ]
        for bar in bars
    ]


PRINTERS: Mapping[str, Callable[[Report], str]] = {"text": to_text, "markdown": to_markdown, "json": to_json}
