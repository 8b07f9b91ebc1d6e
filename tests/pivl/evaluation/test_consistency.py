"""Within-part consistency against all pairs of pixels written out, and on features whose answer is known."""

import math

import pytest
import torch

from pivl.data.part_maps.labels import IGNORE
from pivl.errors import UserError
from pivl.evaluation.consistency import Consistency, ConsistencyMeter, PixelBatch

CLASSES, WIDTH = 5, 6


def measure(batches, part_text, **choices) -> Consistency:
    meter = ConsistencyMeter(part_text, **choices)
    for batch in batches:
        meter.add(batch)
    return meter.result()


def random_batch(seed: int = 0, images: int = 6) -> PixelBatch:
    """Class 0 is background, class 4 is never there; one person has a single image, class 3 is rare."""
    random = torch.Generator().manual_seed(seed)
    feature = torch.randn(images, WIDTH, 4, 3, generator=random) + 0.5
    choice = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3, IGNORE])
    part = choice[torch.randint(len(choice), (images, 4, 3), generator=random)]
    return PixelBatch(feature, part, torch.tensor([7, 7, 2, 9, 2, 7])[:images])


def texts(seed: int = 1) -> torch.Tensor:
    return torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(seed))


def cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def pixels_of(batch: PixelBatch) -> list[tuple[int, int, list[float]]]:
    """(person, part, feature) of every pixel that is not background or unlabelled."""
    return [
        (int(batch.person[b]), int(batch.part[b, i, j]), batch.feature[b, :, i, j].tolist())
        for b in range(batch.part.shape[0])
        for i in range(batch.part.shape[1])
        for j in range(batch.part.shape[2])
        if batch.part[b, i, j] not in (0, IGNORE)
    ]


def mean_cosine_by_hand(batch: PixelBatch, part: int, same: bool, across: bool) -> float:
    pixels = pixels_of(batch)
    cosines = [
        cosine(one[2], other[2])
        for one in pixels
        for other in pixels
        if one is not other
        and one[1] == part
        and (other[1] == part) == same
        and not (across and one[0] == other[0])
    ]
    return sum(cosines) / len(cosines) if cosines else math.nan


def test_cosines_equal_all_pairs_of_pixels_written_out() -> None:
    batch = random_batch()
    measured = measure([batch], texts())
    for part in range(CLASSES):
        for field, same, across in (
            ("same_part", True, False),
            ("other_part", False, False),
            ("same_part_across", True, True),
            ("other_part_across", False, True),
        ):
            by_hand = mean_cosine_by_hand(batch, part, same, across)
            assert float(getattr(measured, field)[part]) == pytest.approx(by_hand, abs=1e-6, nan_ok=True)


def test_nearest_texts_equal_a_search_pixel_by_pixel() -> None:
    batch, part_text = random_batch(), texts()
    nearest = [[0] * CLASSES for _ in range(CLASSES)]
    for _, part, feature in pixels_of(batch):
        nearest[part][max(range(1, CLASSES), key=lambda c: cosine(feature, part_text[c].tolist()))] += 1
    measured = measure([batch], part_text)
    assert measured.nearest.tolist() == nearest
    total = sum(map(sum, nearest))
    assert measured.part_accuracy() == pytest.approx(sum(nearest[c][c] for c in range(CLASSES)) / total)
    assert measured.majority_share() == pytest.approx(max(map(sum, nearest)) / total)


def test_margins_are_means_over_pixels() -> None:
    batch = random_batch()
    measured = measure([batch], texts())
    for margin, across in ((measured.margin, False), (measured.margin_across, True)):
        by_pixel = [
            mean_cosine_by_hand(batch, part, True, across) - mean_cosine_by_hand(batch, part, False, across)
            for _, part, _ in pixels_of(batch)
        ]
        assert margin == pytest.approx(sum(by_pixel) / len(by_pixel), abs=1e-6)


def assert_same(one: Consistency, other: Consistency) -> None:
    assert torch.equal(one.nearest, other.nearest)
    for field in ("same_part", "other_part", "same_part_across", "other_part_across"):
        torch.testing.assert_close(
            getattr(one, field), getattr(other, field), equal_nan=True, atol=1e-6, rtol=0
        )


def test_how_the_pixels_are_batched_ordered_and_scaled_does_not_matter() -> None:
    batch, part_text = random_batch(), texts()
    whole = measure([batch], part_text)
    singles = [
        PixelBatch(batch.feature[i : i + 1], batch.part[i : i + 1], batch.person[i : i + 1])
        for i in (5, 0, 3, 1, 4, 2)
    ]
    assert_same(measure(singles, part_text), whole)
    scale = torch.rand(6, 1, 4, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    scaled = PixelBatch(batch.feature * scale, batch.part, batch.person)
    assert_same(measure(iter([scaled]), 3 * part_text), whole)


def features_by(code: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """Every pixel gets the row of `code` that `of` [B, h, w] names: [B, D, h, w]."""
    return code[of].permute(0, 3, 1, 2)


def balanced(images: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Parts 1..4 in equal numbers in every image, two images of each of four people."""
    part = (torch.arange(16).view(4, 4) % 4 + 1).expand(images, -1, -1)
    return part, torch.arange(images) // 2


def test_features_that_are_the_texts_are_perfectly_consistent() -> None:
    part, person = balanced()
    part_text = torch.eye(CLASSES)
    measured = measure([PixelBatch(features_by(part_text, part), part, person)], part_text)
    assert measured.part_accuracy() == 1
    assert measured.majority_share() == pytest.approx(1 / 4)
    assert measured.margin == pytest.approx(1)
    assert measured.margin_across == pytest.approx(1)


def test_features_that_know_only_the_person_show_no_parts_across_people() -> None:
    """Same person 1, other people 0 whatever the part. Each part has 32 pixels, 8 of each person: the pairs
    within the part agree in 7 of 31, those with other parts in 24 of 96.
    """
    part, person = balanced()
    feature = features_by(torch.eye(4, CLASSES), person[:, None, None].expand(8, 4, 4))
    measured = measure([PixelBatch(feature, part, person)], torch.eye(CLASSES))
    assert measured.margin_across == pytest.approx(0, abs=1e-9)
    assert measured.margin == pytest.approx(7 / 31 - 24 / 96)


def test_sides_can_be_counted_as_one() -> None:
    """Left (1) and right (2) are confused, 3 is right, 4 is taken for left: 3/4 when the sides are one."""
    part, person = balanced()
    answer = torch.tensor([0, 2, 1, 3, 1])[part]
    part_text = torch.eye(CLASSES)
    measured = measure([PixelBatch(features_by(part_text, answer), part, person)], part_text)
    assert measured.part_accuracy() == pytest.approx(1 / 4)
    assert measured.part_accuracy(merged=((1, 2),)) == pytest.approx(3 / 4)
    assert measured.majority_share(merged=((1, 2),)) == pytest.approx(1 / 2)


def test_cells_may_be_bytes_even_of_many_classes() -> None:
    part = torch.full((1, 4, 4), 19)
    feature = features_by(torch.eye(20), part)
    for kind in (torch.int64, torch.uint8):
        measured = measure([PixelBatch(feature, part.to(kind), torch.zeros(1))], torch.eye(20))
        assert measured.nearest[19, 19] == 16


def test_background_counts_only_when_asked() -> None:
    batch = random_batch()
    without = measure([batch], texts())
    with_it = measure([batch], texts(), ignored=())
    assert without.nearest[0].sum() == 0
    assert without.nearest[:, 0].sum() == 0
    assert without.same_part[0].isnan()
    assert with_it.nearest.sum() == (batch.part != IGNORE).sum()
    assert with_it.same_part[0].isfinite()


def test_a_single_person_has_no_other_people() -> None:
    batch = random_batch()
    alone = PixelBatch(batch.feature, batch.part, torch.zeros(6).long())
    measured = measure([alone], texts())
    assert math.isfinite(measured.margin)
    assert math.isnan(measured.margin_across)


def test_a_part_of_one_pixel_has_no_pair_and_leaves_the_mean_alone() -> None:
    part, person = balanced()
    lone = torch.where(part == 4, 0, part)
    lone[0, 0, 0] = 4
    random = torch.Generator().manual_seed(3)
    feature = torch.randn(8, WIDTH, 4, 4, generator=random)
    measured = measure([PixelBatch(feature, lone, person)], texts())
    assert measured.same_part[4].isnan()
    assert measured.other_part[4].isfinite()
    weight = measured.nearest.sum(1)[1:4].double()
    by_part = (measured.same_part - measured.other_part)[1:4]
    assert measured.margin == pytest.approx(float((weight * by_part).sum() / weight.sum()))


def test_the_texts_of_the_alignment_are_answered_beside_those_of_labels() -> None:
    batch, aligned = random_batch(), texts(9)
    both = measure([batch], texts(), aligned=aligned)
    assert both.nearest_aligned is not None
    assert (both.nearest_aligned == measure([batch], aligned).nearest).all()
    assert (both.nearest == measure([batch], texts()).nearest).all()
    assert measure([batch], texts()).nearest_aligned is None


def test_no_labelled_pixel_is_an_error_that_says_so() -> None:
    batch = random_batch()
    blank = PixelBatch(batch.feature, torch.zeros_like(batch.part), batch.person)
    for batches in ([blank], []):
        with pytest.raises(UserError, match="no labelled pixel of a body part"):
            measure(batches, texts())
