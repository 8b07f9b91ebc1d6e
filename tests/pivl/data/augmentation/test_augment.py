"""Augmentation against a per-image truth, and the laws that let rows with and without part maps be compared."""

import math
import statistics

import numpy as np
import pytest
import torch
from torch import Tensor

from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import ROW, Augmentation, draw_params, draw_rows
from pivl.data.augmentation.on_gpu import standard_normal
from pivl.data.normalization import HALF, IMAGENET, Normalization
from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.data.pictures import Pictures
from pivl.data.store import Batch, Decoded, Store, plain

SIZE = (24, 16)
AUGMENTATION = Augmentation(padding=4)
LIP_MIRROR = torch.from_numpy(LIP.mirror_table())
RAW = Normalization((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))  # leaves pixel values as they are


def pictures_of(count: int, size: tuple[int, int] = SIZE, classes: int = 20) -> Decoded:
    random = torch.Generator().manual_seed(5)
    return Decoded(
        torch.randint(0, 256, (count, 3, *size), generator=random, dtype=torch.uint8),
        torch.arange(count),
        torch.arange(count) % 3,
        torch.randint(0, classes, (count, *size), generator=random, dtype=torch.uint8),
    )


def rows(decoded: Decoded, generator: torch.Generator | None = None) -> Tensor:
    """The random numbers of the pictures; from the seed 0 without a generator."""
    return draw_rows(len(decoded.image), generator or torch.Generator().manual_seed(0))


def augmented(decoded: Decoded, augmentation: Augmentation = AUGMENTATION, seed: int = 1) -> Batch:
    draws = rows(decoded, torch.Generator().manual_seed(seed))
    return augment(decoded, augmentation, IMAGENET, LIP_MIRROR, draws)


def scrambled(value: int) -> int:
    value = ((value ^ value >> 16) * 0x7FEB352D) % 2**32
    value = ((value ^ value >> 15) * 0x846CA68B) % 2**32
    return value ^ value >> 16


def normal_by_hand(seed: int, counter: int) -> float:
    bits = scrambled(scrambled(seed) ^ counter) // 2**9
    return statistics.NormalDist().inv_cdf((bits + 0.5) / 2**23)


def rectangle_by_hand(draws: list[float], size: tuple[int, int]) -> tuple[int, int] | None:
    for area_draw, aspect_draw in zip(draws[:10], draws[10:], strict=True):
        area = (0.02 + area_draw * (1 / 3 - 0.02)) * size[0] * size[1]
        aspect = math.exp(math.log(0.3) + aspect_draw * (math.log(3.3) - math.log(0.3)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if height < size[0] and width < size[1]:
            return height, width
    return None


def augmented_by_hand(decoded: Decoded, draws: list[list[float]], padding: int) -> tuple[Tensor, Tensor]:
    """One image after another: flip, pad, crop, normalise, erase, as CLIP-ReID orders them."""
    height, width = decoded.image.shape[2:]
    mean, std = np.array(IMAGENET.mean)[:, None, None], np.array(IMAGENET.std)[:, None, None]
    images, maps = [], []
    for image, part_map, row in zip(decoded.image.numpy(), decoded.part_map.numpy(), draws, strict=True):
        if row[0] < 0.5:
            image, part_map = image[:, :, ::-1], part_map[:, ::-1].copy()
            swap = {14: 15, 15: 14, 16: 17, 17: 16, 18: 19, 19: 18}
            part_map = np.vectorize(lambda part, swap=swap: swap.get(part, part))(part_map)
        image = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        part_map = np.pad(part_map, padding, constant_values=IGNORE)
        y, x = math.floor(row[1] * (2 * padding + 1)), math.floor(row[2] * (2 * padding + 1))
        image = (image[:, y : y + height, x : x + width] / 255 - mean) / std
        part_map = part_map[y : y + height, x : x + width].copy()
        rectangle = rectangle_by_hand(row[7:], (height, width))
        if row[3] < 0.5 and rectangle is not None:
            top = math.floor(row[4] * (height - rectangle[0] + 1))
            left = math.floor(row[5] * (width - rectangle[1] + 1))
            for i in range(top, top + rectangle[0]):
                for j in range(left, left + rectangle[1]):
                    part_map[i, j] = IGNORE
                    for channel in range(3):
                        counter = (i * width + j) * 3 + channel
                        image[channel, i, j] = normal_by_hand(math.floor(row[6] * 2**32), counter)
        images.append(image)
        maps.append(part_map)
    return torch.tensor(np.stack(images)), torch.tensor(np.stack(maps))


def test_a_batch_equals_its_images_augmented_one_by_one() -> None:
    decoded = pictures_of(40)
    batch = augmented(decoded, seed=3)
    draws = torch.rand(40, ROW, generator=torch.Generator().manual_seed(3), dtype=torch.float64).tolist()
    image, part_map = augmented_by_hand(decoded, draws, padding=4)
    assert batch.image.dtype == torch.float32
    torch.testing.assert_close(batch.image.double(), image, atol=2e-5, rtol=1e-5)
    assert torch.equal(batch.part_map.long(), part_map.long())
    assert torch.equal(batch.person, decoded.person)
    assert torch.equal(batch.camera, decoded.camera)


def test_a_pixel_and_its_label_stay_together() -> None:
    """Image and map carry each pixel's own place; wherever a label is left it must name the place shown."""
    count, (height, width) = 64, (15, 15)
    row, column = torch.meshgrid(torch.arange(1, height + 1), torch.arange(1, width + 1), indexing="ij")
    place = ((row - 1) * width + column - 1).to(torch.uint8).expand(count, -1, -1)  # 0..224
    image = torch.stack([row, column, row * 0 + 200]).to(torch.uint8).expand(count, -1, -1, -1)
    decoded = Decoded(image, torch.zeros(count).long(), torch.zeros(count).long(), place)
    no_swap = torch.arange(256, dtype=torch.uint8)
    batch = augment(decoded, AUGMENTATION, RAW, no_swap, rows(decoded))

    shown = batch.image.round().long()
    kept = batch.part_map != IGNORE
    named = (shown[:, 0] - 1) * width + shown[:, 1] - 1
    assert torch.equal(named[kept], batch.part_map.long()[kept])
    assert 0.4 < kept.float().mean() < 0.9
    # What lost its label is padding (zeros) or noise: neither shows the 200 of every true pixel.
    assert torch.equal((batch.image[:, 2] - 200).abs() < 0.5, kept)


def test_mirroring_twice_changes_nothing_and_mirroring_once_swaps_sides() -> None:
    decoded = pictures_of(8)
    mirror = Augmentation(flip_probability=1.0, padding=0, erase_probability=0.0)

    def mirrored(of: Decoded) -> Decoded:
        batch = augment(of, mirror, RAW, LIP_MIRROR, rows(of))
        return Decoded(batch.image.round().to(torch.uint8), of.person, of.camera, batch.part_map)

    once = mirrored(decoded)
    assert torch.equal(once.image, decoded.image.flip(-1))
    left_arm, right_arm = LIP.parts.index("left arm"), LIP.parts.index("right arm")
    assert torch.equal(once.part_map == left_arm, decoded.part_map.flip(-1) == right_arm)
    twice = mirrored(once)
    assert torch.equal(twice.image, decoded.image)
    assert torch.equal(twice.part_map, decoded.part_map)


def test_the_image_does_not_depend_on_the_presence_of_a_map() -> None:
    decoded = pictures_of(16)
    with_map, without = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for _ in range(3):  # the streams stay in step
        one = augment(decoded, AUGMENTATION, IMAGENET, LIP_MIRROR, rows(decoded, with_map))
        bare = Decoded(decoded.image, decoded.person, decoded.camera, None)
        other = augment(bare, AUGMENTATION, IMAGENET, LIP_MIRROR, rows(bare, without))
        assert torch.equal(one.image, other.image)
        assert other.part_map is None


def test_same_generator_same_bits_and_the_next_batch_differs() -> None:
    decoded = pictures_of(16)
    assert torch.equal(augmented(decoded).image, augmented(decoded).image)
    assert torch.equal(augmented(decoded).part_map, augmented(decoded).part_map)
    assert not torch.equal(augmented(decoded, seed=1).image, augmented(decoded, seed=2).image)


def test_a_sample_is_augmented_by_its_own_row_of_draws_alone() -> None:
    """The first 6 pictures of a batch of 16 come out as they do in a batch of 6."""
    decoded = pictures_of(16)
    first = Decoded(decoded.image[:6], decoded.person[:6], decoded.camera[:6], decoded.part_map[:6])
    whole, part = augmented(decoded), augmented(first)
    assert torch.equal(whole.image[:6], part.image)
    assert torch.equal(whole.part_map[:6], part.part_map)


def test_augmenting_leaves_the_stored_pictures_alone() -> None:
    decoded, before = pictures_of(8), pictures_of(8)
    augmented(decoded)
    assert torch.equal(decoded.image, before.image)
    assert torch.equal(decoded.part_map, before.part_map)


def moves_of(count: int, size: tuple[int, int], augmentation: Augmentation):
    draws = torch.rand(count, ROW, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return draw_params(draws, size, augmentation, torch.device("cpu"))


def test_erased_rectangles_are_as_frequent_as_large_and_as_tall_as_asked() -> None:
    count, (height, width) = 20_000, (256, 128)
    moves = moves_of(count, (height, width), Augmentation())
    erased = moves.height > 0
    # 10 attempts nearly always find a rectangle that fits, so the share is the probability; 5 standard errors.
    assert abs(erased.float().mean() - 0.5) < 5 * math.sqrt(0.25 / count)
    tall, wide = moves.height[erased].double(), moves.width[erased].double()
    share, aspect = tall * wide / (height * width), tall / wide
    rounding = (tall + 0.5) * (wide + 0.5) / (tall * wide)  # sides are rounded to whole pixels
    assert (share * rounding >= 0.02).all()
    assert (share / rounding <= 1 / 3).all()
    assert (aspect * rounding >= 0.3).all()
    assert (aspect / rounding <= 3.3).all()
    assert (moves.top >= 0).all()
    assert (moves.left >= 0).all()
    assert (moves.top + moves.height <= height).all()
    assert (moves.left + moves.width <= width).all()
    touches = erased & (moves.top + moves.height == height)
    assert touches.any(), "the last position that fits is never drawn"


def test_areas_of_rectangles_that_always_fit_are_uniform() -> None:
    """Kolmogorov-Smirnov at the 0.1 % level, 1.95 / sqrt(n), plus the rounding of sides of 100 pixels or more."""
    count = 20_000
    square = Augmentation(erase_probability=1.0, erase_aspect=(0.5, 2.0))
    moves = moves_of(count, (1000, 1000), square)
    share = (moves.height * moves.width).double().sort().values / 1000**2
    uniform = (share - 0.02) / (1 / 3 - 0.02)
    gap = (uniform - (torch.arange(count) + 0.5) / count).abs().max()
    assert gap < 1.95 / math.sqrt(count) + 0.005


def test_an_image_without_room_for_the_rectangle_is_left_whole() -> None:
    """A rectangle as tall as the image never fits: 20 % of the area at 20 times as tall as wide, on a square."""
    narrow = Augmentation(erase_probability=1.0, erase_area=(0.2, 0.2), erase_aspect=(20.0, 20.0))
    assert (moves_of(100, (32, 32), narrow).height == 0).all()


def test_every_offset_of_the_crop_is_equally_frequent() -> None:
    count = 22_000
    moves = moves_of(count, SIZE, Augmentation(padding=5))
    for offset in (moves.row, moves.column):
        seen = torch.bincount(offset, minlength=11)
        assert len(seen) == 11
        assert ((seen - 2000).abs() < 5 * math.sqrt(2000 * 10 / 11)).all()


def test_noise_is_standard_normal_and_independent_of_its_neighbours() -> None:
    """Bounds are 5 standard errors of n independent draws, and KS at the 0.1 % level."""
    seeds, counters = torch.arange(300)[:, None], torch.arange(1000)[None]
    noise = standard_normal(seeds, counters).double()
    n = noise.numel()
    assert noise.isfinite().all()
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / n)
    uniform = torch.special.ndtr(noise.flatten().sort().values)
    assert (uniform - (torch.arange(n) + 0.5) / n).abs().max() < 1.95 / math.sqrt(n)
    for one, other in (
        (noise[:, :-1], noise[:, 1:]),
        (noise[:, :-3], noise[:, 3:]),
        (noise[:-1], noise[1:]),
    ):
        assert abs((one * other).mean()) < 5 / math.sqrt(one.numel())
        assert abs(((one**2 - 1) * (other**2 - 1)).mean()) < 5 * 2 / math.sqrt(one.numel())


def test_plain_only_normalises() -> None:
    decoded = pictures_of(4)
    batch = plain(decoded, HALF)
    torch.testing.assert_close(batch.image, (decoded.image / 255 - 0.5) / 0.5, atol=1e-6, rtol=0)
    assert torch.equal(batch.part_map, decoded.part_map)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_store_gives_pictures_in_the_order_asked(mapped: bool) -> None:
    of = pictures_of(5)
    held = Pictures(of.image, of.person, of.camera, of.part_map if mapped else None, tuple("abcde"))
    store = Store.hold(held, "cpu")
    assert len(store) == 5
    taken = store.gather(torch.tensor([4, 0, 4]))
    assert torch.equal(taken.image, of.image[[4, 0, 4]])
    assert taken.person.tolist() == [4, 0, 4]
    assert taken.camera.tolist() == [1, 0, 1]
    if mapped:
        assert torch.equal(taken.part_map, of.part_map[[4, 0, 4]])
    else:
        assert taken.part_map is None


@pytest.mark.gpu
def test_a_gpu_augments_as_the_cpu_does() -> None:
    of = pictures_of(32)
    held = Pictures(of.image, of.person, of.camera, of.part_map, tuple(map(str, range(32))))
    index = torch.arange(32)
    batches = [augmented(Store.hold(held, device).gather(index)) for device in ("cpu", "cuda")]
    torch.testing.assert_close(batches[1].image.cpu(), batches[0].image, atol=1e-4, rtol=1e-4)
    assert torch.equal(batches[1].part_map.cpu(), batches[0].part_map)
