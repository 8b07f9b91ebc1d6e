"""Boxes of the embedded benchmark: around the whole body, on the canvas, and cut alike from picture and labels."""

import numpy as np
import pytest

from pivl.synthped.rendering.boxes import (
    ABOVE,
    ASIDE,
    BELOW,
    NARROWEST,
    canvas_size,
    cut_labels,
    cut_picture,
    draw_box,
)

TIGHT = np.array([(0 - low) / (high - low) for low, high in (ABOVE, BELOW, ASIDE, ASIDE)])  # no slack at all


def body(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    cover = np.zeros((160, 80), bool)
    cover[top:bottom, left:right] = True
    return cover


def test_without_slack_the_box_is_the_body():
    assert draw_box(body(20, 140, 15, 65), TIGHT) == pytest.approx((15, 20, 65, 140))


def test_slack_is_a_share_of_the_body_and_ends_at_the_canvas():
    left, top, right, bottom = draw_box(body(20, 120, 30, 70), np.ones(4))
    assert (left, top) == pytest.approx((30 - ASIDE[1] * 40, 20 - ABOVE[1] * 100))
    assert (right, bottom) == pytest.approx((70 + ASIDE[1] * 40, 120 + BELOW[1] * 100))
    assert draw_box(body(0, 160, 0, 80), np.ones(4)) == (0, 0, 80, 160)


def test_a_body_seen_edge_on_gets_the_narrowest_box_about_its_middle():
    left, top, right, bottom = draw_box(body(20, 120, 36, 44), TIGHT)
    assert right - left == pytest.approx(NARROWEST * (bottom - top))
    assert (left + right) / 2 == pytest.approx(40)


def test_nobody_is_the_whole_canvas():
    assert draw_box(np.zeros((160, 80), bool), TIGHT) == (0, 0, 80, 160)


def test_picture_and_labels_are_cut_alike():
    """A canvas whose colour is its label, twice as coarse as the picture: every pixel's colour tells its label."""
    rows, columns = canvas_size((128, 64))
    label = np.kron(np.arange(rows * columns // 400).reshape(rows // 20, columns // 20), np.ones((20, 20)))
    box = (20.0, 40.0, 60.0, 120.0)
    picture = cut_picture(np.repeat(label[..., None] / 40, 3, axis=2).astype(np.float32), box, (128, 64))
    cut = cut_labels(label.astype(np.uint8), box, (128, 64))
    inside = np.abs(picture[..., 0] * 40 - cut) < 1e-4
    assert picture.shape == (128, 64, 3)
    assert inside.mean() > 0.8  # all but the borders of squares, where colours mix
    assert set(cut.ravel().tolist()) == {9, 10, 13, 14, 17, 18, 21, 22}
