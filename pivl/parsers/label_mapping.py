"""LIP's and ATR's classes among the 7 of Pascal-Person-Part, for scores across label sets (method.md 3.1 and 3.4).

LIP and ATR name what covers the body, Pascal the body. A garment goes where most of it lies, and what Pascal's makers
merged goes as they did: neck to torso, hands to lower arms, feet to lower legs. So scores across sets judge outlines
of head, torso and limbs, and are lower than within a set even for a perfect parser: sleeves and trousers are not cut
at elbow and knee.
"""

import numpy as np

from pivl.data.part_maps.labels import ATR, IGNORE, LIP, PASCAL, LabelSet

TO_PASCAL: dict[str, dict[str, tuple[str, ...]]] = {
    LIP.name: {
        "background": ("background",),
        "head": ("hat", "hair", "sunglasses", "face"),
        "torso": ("upper clothes", "dress", "coat", "jumpsuits", "scarf"),
        "upper arms": (),
        "lower arms": ("glove", "left arm", "right arm"),
        "upper legs": ("pants", "skirt"),
        "lower legs": ("socks", "left leg", "right leg", "left shoe", "right shoe"),
    },
    ATR.name: {
        "background": ("background", "bag"),
        "head": ("hat", "hair", "sunglasses", "face"),
        "torso": ("upper clothes", "dress", "belt", "scarf"),
        "upper arms": (),
        "lower arms": ("left arm", "right arm"),
        "upper legs": ("skirt", "pants"),
        "lower legs": ("left shoe", "right shoe", "left leg", "right leg"),
    },
    PASCAL.name: {part: (part,) for part in PASCAL.parts},
}


def common_labels(one: LabelSet, other: LabelSet) -> LabelSet:
    """Returns the label set in which maps of both can be scored: their own if it is the same, else Pascal's."""
    return one if one == other else PASCAL


def mapping(labels: LabelSet, target: LabelSet) -> np.ndarray | None:
    """uint8 [256]: the class id of `target` for every id of `labels`; IGNORE stays. None if there is no such way."""
    table = np.full(256, IGNORE, np.uint8)
    if labels == target:
        table[: len(labels.parts)] = range(len(labels.parts))
        return table
    if target != PASCAL:
        return None
    for part, merged in TO_PASCAL[labels.name].items():
        for name in merged:
            table[labels.parts.index(name)] = PASCAL.parts.index(part)
    return table
