"""The card of the embedded parsers: what they are, how they were made and how well they parse, from measured figures."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pivl.data.part_maps.labels import LIP
from pivl.parsers.pretrain import HELD_OUT, TRAINING_SET, ParserReport
from pivl.synthped.pretraining.card import Origin, describe_people, list_choices, table
from pivl.system.files import sha256_of, write_text

CARD = Path(__file__).with_name("PARSERS.md")
SLICES = 8  # of the training, whose mean losses the card shows
INTRODUCTION = """# The parsers of the embedded benchmark

Table 4 compares parsing models. No published one can be shipped with this repository, so the benchmark has its own: one
small U-Net, trained from nothing by `pivl-bench pretrain --parser all` on rendered people and their exact part maps, at
budgets that differ in the number of steps alone. Its people, cameras and passers-by are in no other set; its pictures
come from the same renderer as the benchmark's. So these are real parsers with a parser's errors, of different strength,
and in-domain.

This file is written by the code from what it measured; do not edit it.
"""


def write_card(path: Path, made: Sequence[ParserReport], origin: Origin) -> None:
    """Write the card, Markdown, of the parsers that were `made`; UserError where it cannot be written."""
    blocks = [INTRODUCTION, "## The files\n", *_files(made, origin), "\n## Recipe\n", *_recipe(made)]
    blocks += ["\n## Loss\n", *_losses(made), "\n## How well they parse\n", *_scores(made), ""]
    write_text(path, "\n".join(blocks))


def _files(made: Sequence[ParserReport], origin: Origin) -> list[str]:
    rows = [
        [
            one.name,
            f"`{one.weights.name}`, {one.weights.stat().st_size / 1e6:.2f} MB, float16",
            str(one.choices.steps),
            f"{one.seconds:.0f} s",
            f"`{sha256_of(one.weights)}`",
        ]
        for one in made
    ]
    header = ["parser", "file", "steps", "time of one core", "sha256"]
    return [*table(header, rows), "", f"Commit {origin.commit}, on {origin.machine}, one thread, float32."]


def _recipe(made: Sequence[ParserReport]) -> list[str]:
    choices = {name: value for name, value in asdict(made[0].choices).items() if name != "steps"}
    return [
        "- network: four halvings of the sides with 16, 32, 48 and 64 channels and as many steps back, two convolutions "
        "each (`pivl/parsers/unet.py`); logits at half the picture's size, enlarged bilinearly",
        f"{describe_people(TRAINING_SET)} of severity {TRAINING_SET.severity}",
        "- AdamW, linear warm-up, cosine to 0; cross-entropy of LIP's 20 classes at every pixel; the last step is what "
        "is shipped",
        f"- seed {made[0].seed}, {list_choices(choices)}",
    ]


def _losses(made: Sequence[ParserReport]) -> list[str]:
    rows = [
        [one.name, *(f"{part.mean():.3f}" for part in np.array_split(np.array(one.losses), SLICES))]
        for one in made
    ]
    header = ["parser", *(f"{place} of {SLICES}" for place in range(1, SLICES + 1))]
    return ["Cross-entropy, averaged over equal parts of each training.\n", *table(header, rows)]


def _scores(made: Sequence[ParserReport]) -> list[str]:
    scores = [one.held_out for one in made]
    rows = [
        ["mIoU", *(f"{100 * x.score.mean_iou:.1f} [{100 * x.low:.1f}, {100 * x.high:.1f}]" for x in scores)],
        [
            "mIoU of single pictures",
            *(f"{100 * x.each.mean():.1f} ± {100 * x.each.std(ddof=1):.1f}" for x in scores),
        ],
        ["pixel accuracy", *(f"{100 * x.score.pixel_accuracy:.1f}" for x in scores)],
    ]
    for place, part in enumerate(LIP.parts):
        values = [100 * x.score.iou[place] for x in scores]
        rows.append([part, *("-" if np.isnan(value) else f"{value:.1f}" for value in values)])
    return [
        f"On {HELD_OUT.people} people of `{HELD_OUT.name}`, {HELD_OUT.shots} pictures each, under cameras of their own, "
        "in percent: IoU of every class and their mean, over all pixels together [95 % interval over people]. On the "
        "benchmark's own pictures: `pivl-bench run parsers`.\n",
        *table(["", *(one.name for one in made)], rows),
    ]
