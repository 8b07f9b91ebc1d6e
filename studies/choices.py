"""Choices that the paper leaves open, one at a time from PI-VL: a specification curve (method.md 0 and 2.3).

The mean of fused maps is no row: beside the sum it only scales a map whose length the alignment does not see. Left out,
too, is the linear layer to 1024 channels (Sec. 4.2): RN50's texts are as wide without one, and of other towers the paper
does not say which side has it nor what trains it.
"""

from studies.ablation import pi_vl
from studies.study import Row, Study

PI_VL = Row("pi-vl", "PI-VL", "PI-VL", pi_vl)

CHOICES = Study(
    name="choices",
    title="Choices that the paper leaves open",
    question="How much do the choices that the paper does not state move PI-VL, each by itself?",
    rows=(
        PI_VL,
        Row("raw-error", "mean squared error of raw vectors", "PI-VL", {**pi_vl, "align_loss": "raw"}),
        Row(
            "raw-contrast",
            "1b: raw products, temperature 1",
            "PI-VL",
            {**pi_vl, "part_similarity": "dot", "part_temperature": 1.0},
        ),
        Row("comma", "prompt: person, {part}.", "PI-VL", {**pi_vl, "part_template": "comma"}),
        Row("sentence", "prompt: person. {part}.", "PI-VL", {**pi_vl, "part_template": "sentence"}),
        Row("of", "prompt: {part} of a person.", "PI-VL", {**pi_vl, "part_template": "of"}),
        Row(
            "of-hyphens",
            "prompt: {part} of a person., as upper-clothes",
            "PI-VL",
            {**pi_vl, "part_template": "of", "part_wording": "hyphens"},
        ),
        Row("hyphens", "parts worded as upper-clothes", "PI-VL", {**pi_vl, "part_wording": "hyphens"}),
        Row("concat", "maps concatenated, then a 1x1 convolution", "PI-VL", {**pi_vl, "fuse": "concat"}),
        Row("levels", "one loss for each map", "PI-VL", {**pi_vl, "fuse": "levels"}),
        Row(
            "point-wise",
            "point-wise channel alignment",
            "PI-VL",
            {**pi_vl, "channel_alignment": "point-wise"},
        ),
        Row("conv2-5", "maps of conv2 to conv5", "PI-VL", {**pi_vl, "fused_stages": "2-5"}),
        Row("conv4", "the map of conv4 alone", "PI-VL", {**pi_vl, "fused_stages": "4"}),
        Row("background", "background as a class", "PI-VL", {**pi_vl, "background": "class"}),
        Row("no-background", "background ignored", "PI-VL", {**pi_vl, "background": "ignore"}),
        Row("balanced", "parts of an image balanced", "PI-VL", {**pi_vl, "background": "balanced"}),
        Row("majority", "cells labelled by majority", "PI-VL", {**pi_vl, "label_vote": "majority"}),
        Row("nearest", "cells labelled by their centre", "PI-VL", {**pi_vl, "label_vote": "nearest"}),
        Row(
            "shares", "cells aimed at all their parts, by share", "PI-VL", {**pi_vl, "cell_targets": "shares"}
        ),
        Row("erased-kept", "erased pixels keep their labels", "PI-VL", {**pi_vl, "erased_labels": "keep"}),
        Row("one-cosine", "one cosine through 1a and 1b", "PI-VL", {**pi_vl, "prompt_cosine": "one"}),
        Row("no-warm-up", "1b: no warm-up", "PI-VL", {**pi_vl, "part_warmup_epochs": 0}),
        Row("shuffled", "1b: shuffled batches", "PI-VL", {**pi_vl, "part_sampling": "shuffle"}),
        Row(
            "anchored", "1b: the loss of identities kept on", "PI-VL", {**pi_vl, "part_schedule": "anchored"}
        ),
        Row(
            "joint",
            "identities and parts tuned together",
            "PI-VL",
            {**pi_vl, "part_schedule": "joint", "global_text": "tuned"},
        ),
        Row("moved-texts", "texts of identities after 1b", "PI-VL", {**pi_vl, "global_text": "tuned"}),
    ),
    reference="pi-vl",
    caption="Each row differs from PI-VL in the choice that it names. Where all intervals hold 0, the paper's silence "
    "costs nothing here; what differs has to be reported with any result.",
    figure="effects",
)
