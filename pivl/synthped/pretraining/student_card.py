"""The card of the embedded benchmark's student: how it was made and what it knows, written from measured figures only."""

from dataclasses import asdict
from pathlib import Path

from pivl.synthped.pretraining.card import Origin, describe_file, describe_people, list_choices, table
from pivl.synthped.pretraining.student import HELD_OUT, StudentReport
from pivl.system.files import write_text

INTRODUCTION = """# The student of the embedded benchmark

The paper's student starts from ImageNet's weights. Those say little about rendered people and no file of them may be
shipped, so `synthped` has its own: a {student} of torchvision's making, trained from nothing by
`pivl-bench pretrain --student` to name what people wear (attribute classification), and never who they are. Its people
are in no other set; its pictures come from the same renderer as the benchmark's, under other cameras, so it is in-domain,
as the tiny CLIP is. The layer that names attributes is not shipped.

This file is written by the code from what it measured; do not edit it.
"""
CARD = Path(__file__).parents[1] / "STUDENT.md"


def write_card(path: Path, weights: Path, made: StudentReport, origin: Origin) -> None:
    """Write the card, Markdown, of the file `weights` of pretrain_student; UserError where it cannot be written."""
    shares = [(name, share, made.chance[name]) for name, share in made.accuracy.items()]
    mean, chance = (sum(found.values()) / len(found) for found in (made.accuracy, made.chance))
    rows = [
        [name, f"{100 * one:.1f}", f"{100 * other:.1f}"]
        for name, one, other in [*shares, ("mean", mean, chance)]
    ]
    lines = [
        INTRODUCTION.format(student=made.choices.student),
        "## The file\n",
        *describe_file(weights, made, origin),
        "\n## Recipe\n",
        f"{describe_people(made.training_set)} of severity {made.training_set.severity}",
        "- AdamW, linear warm-up, cosine to 0; cross-entropy over the classes of each attribute that a picture tells, "
        "every such target alike, and of colour and kind of what each place of each map shows; flips and shifts",
        f"- {list_choices(asdict(made.choices))}",
        "- the last step is what is shipped",
        "\n## Loss\n",
        "Averaged over equal parts of the training.\n",
        f"{', '.join(f'{loss:.3f}' for loss in made.losses)}",
        "\n## What it knows\n",
        f"On {HELD_OUT.people} people of `{HELD_OUT.name}`, {HELD_OUT.shots} pictures each, under cameras of their own: "
        "the share of pictures named rightly, of those that tell, and that of the commonest class.\n",
        *table(["attribute", "named rightly, %", "commonest class, %"], rows),
        "",
    ]
    write_text(path, "\n".join(lines))
