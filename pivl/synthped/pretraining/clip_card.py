"""The card of the tiny CLIP: what it is, how it was made and what it knows, written from measured figures only."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pivl.data.part_maps.labels import LIP
from pivl.synthped.pretraining.card import Origin, describe_file, describe_people, list_choices, table
from pivl.synthped.pretraining.tiny_clip import HELD_OUT, ClipReport
from pivl.synthped.pretraining.zero_shot import STRIDES, Evaluation
from pivl.system.files import write_text

INTRODUCTION = """# The {title} of the embedded benchmark

No CLIP can be shipped with this repository, so `synthped` has its own: {tower} and a text
transformer of open_clip's making, small, trained from nothing by `pivl-bench pretrain` on rendered people
and their captions. Its people are in no other set; its pictures come from the same renderer as the
benchmark's, under other cameras, so it is in-domain, as OpenAI's CLIP is not on any re-identification
benchmark. {taught}
Results on `synthped` are to be read with both in mind.

This file is written by the code from what it measured; do not edit it.
"""


TOWERS = {"resnet": "a ModifiedResNet", "vit": "a vision transformer"}


def write_card(path: Path, weights: Path, made: ClipReport, origin: Origin) -> None:
    """Write the card, Markdown, of the file `weights` that `pretrain` wrote; UserError where it cannot be written."""
    text = "\n".join(
        [
            INTRODUCTION.format(
                title=made.start.title, tower=TOWERS[made.start.vision.kind], taught=made.start.taught
            ),
            "## The file\n",
            *describe_file(weights, made, origin),
            "\n## Recipe\n",
            *_recipe(made),
            "\n## Loss\n",
            *_losses(made.losses),
            "\n## What it knows\n",
            *_criteria(made),
            "\n## Parts that survive on a grid\n",
            *_kept(made.evaluation),
            "",
        ]
    )
    write_text(path, text)


def _recipe(made: ClipReport) -> list[str]:
    choices = {name: value for name, value in asdict(made.choices).items() if name != "mix"}
    mix = asdict(made.choices.mix)
    regions = [
        "- regions: the mean dense token over a part against the text of that part, and against the bare texts "
        "of all parts (`A photo of a person's pants.`), the background's among them; single cells against the "
        "bare texts too, by what covers them",
    ]
    return [
        describe_people(made.training_set),
        "- AdamW, betas .9 and .98, linear warm-up, cosine to 0; symmetric contrast of cosines, scale learned, "
        "at most 100",
        f"- {list_choices(choices)}",
        f"- a step sees: {list_choices(mix)}",
        *(regions if made.start.taught_parts else []),
        "- batch-norm statistics are measured again on whole pictures at the end; the last step is what is shipped",
    ]


def _losses(losses: Sequence[dict[str, float]]) -> list[str]:
    names = list(losses[-1])
    rows = [
        [f"{place + 1} of {len(losses)}", *(f"{part[name]:.3f}" if name in part else "" for name in names)]
        for place, part in enumerate(losses)
    ]
    return ["Weighted terms, averaged over equal parts of the training.\n", *table(["part", *names], rows)]


def _criteria(made: ClipReport) -> list[str]:
    evaluation = made.evaluation
    forth, back, spread = evaluation.image_to_text, evaluation.text_to_image, evaluation.spread
    alone, together = evaluation.parts, evaluation.parts_and_background
    rows = [
        [
            "caption retrieval, image to text",
            f"R@1 {forth.at_1:.1%}, R@5 {forth.at_5:.1%}",
            "R@1 27 % or more",
        ],
        ["caption retrieval, text to image", f"R@1 {back.at_1:.1%}, R@5 {back.at_5:.1%}", ""],
        [
            "zero-shot part accuracy",
            f"{alone.accuracy:.1%}",
            f"above the majority class, {alone.majority:.1%}" if made.start.taught_parts else "not taught",
        ],
        ["the same with background", f"{together.accuracy:.1%}", f"majority class {together.majority:.1%}"],
        ["cosine between part texts, mean", f"{spread.mean:.2f}", ""],
        ["closest pair of part texts", f"{spread.highest:.2f}: {spread.closest[0]}, {spread.closest[1]}", ""],
    ]
    return [
        f"On {HELD_OUT.people} people of `{HELD_OUT.name}`, in families of {HELD_OUT.family}, one picture and "
        "one caption each, under cameras of their own. Parts: dense tokens at stride 16 by their nearest bare "
        "text.\n",
        *table(["criterion", "measured", "asked"], rows),
    ]


def _kept(evaluation: Evaluation) -> list[str]:
    columns = list(evaluation.kept)
    parts = [part for part in LIP.parts if all(part in evaluation.kept[column] for column in columns)]
    rows = [[part, *(f"{evaluation.kept[column][part]:.2f}" for column in columns)] for part in parts]
    return [
        "Of the held-out pictures that show a part, the share in which at least one cell keeps it, by rule and "
        f"stride in pixels ({', '.join(map(str, STRIDES))}).\n",
        *table(["part", *columns], rows),
    ]
