"""Block 3, the input: batches cut from decoded pictures, against the per-picture pipeline of CLIP-ReID's loader.

The latter is written out with Pillow and torchvision: decode the JPEG, resize, flip, pad, crop, normalise, erase, stack.
Beside it the same without its first two steps, which we do once and keep.
"""

import io
import math
import random
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting, draw_pictures
from harness.perf.timing import alternate, ratios
from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.normalization import IMAGENET
from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.data.store import Store

SIZE, FILE_SIZE, BATCH = (256, 128), (128, 64), 64
Pair = tuple[Image.Image, Image.Image]  # a picture and its part map


def measure(setting: Setting) -> Block:
    """Images per second of one core, part maps included."""
    pictures = draw_pictures(64, 4, SIZE)
    store, generator = Store.hold(pictures, setting.device), torch.Generator().manual_seed(0)
    mirror = LIP.mirror_table()
    mirror_table, chance = torch.from_numpy(mirror), random.Random(0)
    augmentation = Augmentation()
    assert pictures.part_map is not None
    decoded = [_pair(one, part) for one, part in zip(pictures.image[:BATCH], pictures.part_map, strict=False)]
    files = [(_jpeg(one), part) for one, part in decoded]

    def ours() -> object:
        index = torch.randint(len(store), (BATCH,), generator=generator)
        return augment(store.gather(index), augmentation, IMAGENET, mirror_table, draw_rows(BATCH, generator))

    def one_by_one(read: Callable[[int], Pair]) -> object:
        moved = [_augment(read(number), augmentation, mirror, chance) for number in range(BATCH)]
        return [torch.stack(some) for some in zip(*moved, strict=True)]

    def from_file(number: int) -> Pair:
        content, part = files[number]
        whole = Image.open(io.BytesIO(content)).convert("RGB")
        return whole.resize(SIZE[::-1], Image.Resampling.BICUBIC), part

    fast, slow, kept = alternate(
        3 * setting.repeats,
        setting.device,
        ours,
        lambda: one_by_one(from_file),
        lambda: one_by_one(lambda number: decoded[number]),
    )
    times = ratios(slow, fast)
    return Block(
        "input",
        f"3. Input: batches of {BATCH} at {SIZE[0]}x{SIZE[1]}, one core",
        (
            Figure.of("ours", [BATCH / one for one in fast], "images/s"),
            Figure.of("picture by picture from files", [BATCH / one for one in slow], "images/s"),
            Figure.of(
                "picture by picture, decoded and resized before", [BATCH / one for one in kept], "images/s"
            ),
            Figure.of("ours against files", times, "times as fast"),
            Figure.of("ours against decoded pictures", ratios(kept, fast), "times as fast"),
        ),
        (Bar("input against picture by picture, times as fast", median(times), 4.0, True),),
        (
            f"Files: JPEG of {FILE_SIZE[0]}x{FILE_SIZE[1]} in memory, as Market-1501's are, so that no disk is "
            "measured. Part maps are moved with the pictures in all three.",
        ),
    )


def _pair(image: Tensor, part_map: Tensor) -> Pair:
    return Image.fromarray(image.permute(1, 2, 0).numpy()), Image.fromarray(part_map.numpy())


def _jpeg(picture: Image.Image) -> bytes:
    """The picture at the size of a file; smoothed, since a JPEG of noise takes longer than one of people."""
    small = picture.resize((8, 16), Image.Resampling.BOX).resize(FILE_SIZE[::-1], Image.Resampling.BICUBIC)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=90)
    return content.getvalue()


def _augment(
    pair: Pair, augmentation: Augmentation, mirror: NDArray[np.uint8], chance: random.Random
) -> tuple[Tensor, Tensor]:
    """The augmented image and part map, by torchvision's functions and timm's random erasing."""
    from torchvision.transforms import functional as F

    image, part_map = pair
    if chance.random() < augmentation.flip_probability:
        image, part_map = F.hflip(image), Image.fromarray(mirror[np.asarray(F.hflip(part_map))])
    padding = augmentation.padding
    top, left = (chance.randrange(2 * padding + 1) for _ in range(2))
    image = F.crop(F.pad(image, padding), top, left, *SIZE)
    part_map = F.crop(F.pad(part_map, padding, fill=IGNORE), top, left, *SIZE)
    moved, labels = F.to_tensor(image), torch.from_numpy(np.array(part_map))
    moved = F.normalize(moved, IMAGENET.mean, IMAGENET.std)
    if chance.random() < augmentation.erase_probability:
        area = chance.uniform(*augmentation.erase_area) * SIZE[0] * SIZE[1]
        aspect = math.exp(chance.uniform(*map(math.log, augmentation.erase_aspect)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if height < SIZE[0] and width < SIZE[1]:
            top, left = chance.randint(0, SIZE[0] - height), chance.randint(0, SIZE[1] - width)
            moved[:, top : top + height, left : left + width] = torch.randn(3, height, width)
            labels[top : top + height, left : left + width] = IGNORE
    return moved, labels
