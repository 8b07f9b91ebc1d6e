"""Label sets of human parsing: which class ids a part map may hold and what they mean (Sec. 3.3; method.md 3.1).

Left and right are the person's own, so a mirrored image swaps the paired ids.
"""

from dataclasses import dataclass

import numpy as np

IGNORE = 255  # a pixel without a label: padding, erased rectangles, occluders of unknown content


@dataclass(frozen=True)
class LabelSet:
    """A parsing vocabulary: `parts[i]` is the wording of class id i in a prompt, `flip_pairs` the left-right pairs."""

    name: str
    parts: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()

    def mirror_table(self) -> np.ndarray:
        """uint8 [256]: the class id that each id becomes when the image is mirrored; IGNORE stays."""
        table = np.arange(256, dtype=np.uint8)
        for left, right in self.flip_pairs:
            table[left], table[right] = right, left
        return table


LIP = LabelSet(
    "lip",
    (
        "background", "hat", "hair", "glove", "sunglasses", "upper clothes", "dress", "coat", "socks", "pants",
        "jumpsuits", "scarf", "skirt", "face", "left arm", "right arm", "left leg", "right leg", "left shoe",
        "right shoe",
    ),
    ((14, 15), (16, 17), (18, 19)),
)  # fmt: skip

ATR = LabelSet(
    "atr",
    (
        "background", "hat", "hair", "sunglasses", "upper clothes", "skirt", "pants", "dress", "belt", "left shoe",
        "right shoe", "face", "left leg", "right leg", "left arm", "right arm", "bag", "scarf",
    ),
    ((9, 10), (12, 13), (14, 15)),
)  # fmt: skip

PASCAL = LabelSet(
    "pascal",
    ("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs"),
)

LABEL_SETS = {labels.name: labels for labels in (LIP, ATR, PASCAL)}
