"""CLIP-ReID's training augmentation of whole batches: flip, pad, crop, normalise, erase (method.md 1.9).

Image and part map take one path.
"""

from torch import Tensor

from pivl.data.augmentation.draws import Augmentation, draw_params
from pivl.data.augmentation.on_cpu import apply_by_slices
from pivl.data.augmentation.on_gpu import apply_by_index
from pivl.data.normalization import Normalization
from pivl.data.store import Batch, Decoded


def augment(
    decoded: Decoded,
    augmentation: Augmentation,
    normalization: Normalization,
    mirror_table: Tensor,
    draws: Tensor,
) -> Batch:
    """Flip, zero-pad, crop back to size, normalise and erase every picture; all tensors new.

    `mirror_table` uint8 [256] gives the class id that an id becomes in a mirrored image
    (LabelSet.mirror_table); padded pixels of the map become IGNORE, of its confidence 0, and so
    do erased ones unless `augmentation` keeps their labels.
    `draws`, float64 [B, ROW] on the CPU, are uniform in [0, 1): those of `draw_rows`, or a rank's share of them.
    """
    size, device = (decoded.image.shape[-2], decoded.image.shape[-1]), decoded.image.device
    moves = draw_params(draws, size, augmentation, device)
    move = apply_by_slices if device.type == "cpu" else apply_by_index
    return move(decoded, moves, augmentation, normalization, mirror_table)
