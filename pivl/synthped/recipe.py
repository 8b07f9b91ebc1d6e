"""The recipe of the embedded benchmark: CLIP-ReID on its tiny CLIP, with PI-VL switched off."""

from pivl.recipe import Recipe

EMBEDDED = Recipe(
    backbone="tiny",
    image_size=(128, 64),
    normalization="clip",  # what the tiny CLIP was pre-trained with
    similarity="clip",  # the tiny CLIP's features have no useful length: it was trained on cosines
    identity_epochs=60,
    prompt_rate=2e-2,
    part_rate=2e-2,
    label_vote="foreground",  # a plain majority deletes most small parts of a small image
    background="ignore",  # with it as a class, a map that is one vector everywhere is hard to beat
    identity_weight=0.25,
    triplet_weight=0.3,
    depth_wise_start="channels",  # what its few steps can move
    align_weight=8.0,  # the least weight of the search with nine tenths of the best skill: more costs mAP
    align_stride=4,  # 128 x 64 at stride 4 is the paper's 32 x 16 grid of 256 x 128
    epochs=8,
    rate=1.5e-3,
    head_rate=1.5e-2,
    schedule="cosine",
    warmup_epochs=1.2,
    padding=5,
)
"""Rates, epochs and loss weights were chosen on held-out training people, never on the test people; what alignment alone
uses (background, align_weight, head_rate) by its skill, in searches of 20 trials a row (results/reference/searches)."""
