"""The card of the embedded benchmark: its make, and the criteria it was fixed by, with the figures that were measured.

The criteria were set before any part-informed row was run on the test people; the card says of each whether it is met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate
from torch import Tensor

from harness.report.grid import signed
from harness.report.rounding import rounding_lines
from harness.store.records import Finished
from pivl.data.part_maps.labels import LIP
from pivl.data.part_maps.voting import BACKGROUND, vote
from pivl.synthped.benchmark import SynthpedConfig
from pivl.synthped.recipe import EMBEDDED

BASELINE = (45.0, 65.0)  # mAP of CLIP-ReID in percent: room to rise and to fall
CAPTIONS = 0.27  # R@1 among 500 captions of unseen people
PERSON = (0.35, 0.5)  # of the alignment grid's cells, those of people: boxes as detectors cut them
KEPT = 0.5  # of the pictures that show a part, the share that keep it on the alignment grid

INTRODUCTION = """# Card of {name}

Rendered pedestrians with exact part maps, and the criteria by which their difficulty and their CLIP were fixed before any
part-informed row met the test people. Written by `pivl-bench data card` from records and from the weights' own
metadata; do not edit it.
"""


ROUNDING = """
## What rounding alone does

The same rows and seeds were run again with other arithmetic (MKL_CBWR=COMPATIBLE, or a processor of another make), and
`pivl-bench data rounding` compared them: mAP in percent, differences in points.
"""

UPPER_BOUND = """
## The most that it can show

Exact descriptions are the most that part texts could say, and random vectors say nothing. Where these two cannot be told
apart, the benchmark is blind to what texts say, and a row that gains nothing proves nothing. In points of mAP:
"""
BOUNDS = {
    "controls": ("descriptions", "random-targets"),
    "token-controls": ("described-tokens", "random-tokens"),
}
"""By study: the row with exact descriptions and the one with random vectors, through the fusion head and without it."""


def describe(
    config: SynthpedConfig,
    baseline: Sequence[Finished],
    known: dict[str, Any],
    person_cells: float,
    rounding: dict[str, Any],
    controls: Mapping[str, dict[str, Any]],
) -> str:
    """The card as Markdown, from finished runs of CLIP-ReID and from the criteria that the tiny CLIP's file holds.

    `person_cells` is what `measure_person_cells` returns of the training pictures, `rounding` what report.rounding keeps,
    `controls` the tables of BOUNDS that there are, as JSON has them; where one of these two was not measured it is empty,
    and the card has no word of it.
    """
    sections = [
        INTRODUCTION.format(name=config.name),
        "## Make\n",
        tabulate(
            _make(config, baseline[0].record["fingerprint"]),
            ("choice", "value"),
            tablefmt="pipe",
            disable_numparse=True,
        ),
        "\n## Criteria\n",
        tabulate(
            _criteria(baseline, known, person_cells),
            ("criterion", "asked", "measured", "met"),
            tablefmt="pipe",
            disable_numparse=True,
        ),
        "\n## Parts on the alignment grid\n",
        f"Of the held-out pictures that show a part, the share that keep it, in percent; the fused map has stride "
        f"{EMBEDDED.align_stride}, the tower's own tokens 16, and a cell's part is voted by `{EMBEDDED.label_vote}`.\n",
        tabulate(_kept(known), ("part", *_columns()), tablefmt="pipe", disable_numparse=True),
    ]
    if rounding:
        columns = (
            "row",
            "precision",
            "seeds",
            "mAP",
            "sd by rounding",
            "largest difference",
            "sd over seeds",
        )
        lines = tabulate(rounding_lines(rounding), columns, tablefmt="pipe", disable_numparse=True)
        sections += [ROUNDING, lines]
    if controls:
        heads = ("with exact descriptions over random vectors", "gain", "verdict", "minimum detectable")
        lines = tabulate(_bounds(controls), heads, tablefmt="pipe", disable_numparse=True)
        sections += [UPPER_BOUND, lines]
    return "\n".join(sections) + "\n"


def _bounds(controls: Mapping[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for study, table in controls.items():
        pair = BOUNDS[study]
        (found,) = (one for one in table["contrasts"] if (one["row"], one["against"]) == pair)
        gain = found["map_gain"]
        interval = signed(gain["mean"], gain["low"], gain["high"])
        lines.append((f"{study}: {pair[0]}", interval, found["verdict"], f"{gain['minimum_detectable']:.2f}"))
    return lines


def _make(config: SynthpedConfig, fingerprint: str) -> list[tuple[str, str]]:
    facts = {"fingerprint": fingerprint, **asdict(config)}
    return [(name.replace("_", " "), str(value)) for name, value in facts.items() if name != "name"]


def measure_person_cells(part_map: Tensor) -> float:
    """The share of the alignment grid's cells that are voted to a part, of part maps uint8 [N, H, W] in LIP's classes."""
    height, width = part_map.shape[1:]
    grid = (height // EMBEDDED.align_stride, width // EMBEDDED.align_stride)
    cells = vote(part_map, grid, len(LIP.parts), EMBEDDED.label_vote)
    return float((cells != BACKGROUND).float().mean())


def _criteria(
    baseline: Sequence[Finished], known: dict[str, Any], person_cells: float
) -> list[tuple[str, str, str, str]]:
    scores = [run.metrics["mAP"] for run in baseline]
    mean = sum(scores) / len(scores)
    forth, back = known["image_to_text"]["at_1"], known["text_to_image"]["at_1"]
    parts = known["parts"]
    kept = known["kept"][_columns()[0]]
    worst = min(kept, key=kept.__getitem__)
    low, high = BASELINE
    return [
        (
            "CLIP-ReID's mAP on the test people",
            f"{low:g} to {high:g} %",
            f"{mean:.1f} % ({', '.join(f'{score:.1f}' for score in scores)})",
            _yes(low <= mean <= high),
        ),
        (
            "caption retrieval of the tiny CLIP, R@1 of 500, image to text",
            f"{CAPTIONS:.0%} or more",
            f"{forth:.1%} (text to image {back:.1%})",
            _yes(forth >= CAPTIONS),
        ),
        (
            "its zero-shot part accuracy",
            f"above the commonest part's share, {parts['majority']:.1%}",
            f"{parts['accuracy']:.1%}",
            _yes(parts["accuracy"] > parts["majority"]),
        ),
        (
            "cells of the alignment grid that are person, training pictures",
            f"{PERSON[0]:.0%} to {PERSON[1]:.0%}",
            f"{person_cells:.1%}",
            _yes(PERSON[0] <= person_cells <= PERSON[1]),
        ),
        (
            "every part survives on the alignment grid",
            f"in {KEPT:.0%} of the pictures that show it",
            f"least: {worst}, {kept[worst]:.0%}",
            _yes(kept[worst] >= KEPT),
        ),
    ]


def _kept(known: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = [known["kept"][column] for column in _columns()]
    return [(part, *(f"{100 * column[part]:.0f}" for column in columns)) for part in columns[0]]


def _columns() -> tuple[str, ...]:
    return tuple(f"{EMBEDDED.label_vote} {stride}" for stride in (EMBEDDED.align_stride, 8, 16))


def _yes(met: bool) -> str:
    return "yes" if met else "no"
