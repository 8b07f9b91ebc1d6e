"""Forest plots: every gain, bound and detectable gain lies inside the axes; what is not finite is left out."""

from math import nan

import numpy as np
import pytest
from PIL import Image

from harness.analysis import comparison
from harness.report.figures.plate import COLORS, new_figure
from harness.report.forest import Shown, by_effect, draw_effects, draw_forest
from studies.choices import CHOICES
from tests.support.scored_runs import outcomes_of


@pytest.mark.parametrize(
    ("gains", "reach"),
    [
        ([Shown(0.1, -0.2, 0.4, 3.0, False), Shown(-1.0, -2.0, 0.0, 0.5, True)], 3.0),
        ([Shown(0.1, -0.2, 0.4, 0.3, False)], 0.5),
        ([Shown(-4.0, nan, nan, nan, False)], 4.0),
        ([], 0.5),
    ],
    ids=["detectable", "margin", "one-seed", "none"],
)
def test_the_axis_holds_what_is_finite(gains, reach):
    axes = new_figure(3, 2).subplots()
    draw_forest(axes, gains, [COLORS[0]] * len(gains), 0.5)
    assert axes.get_xlim() == pytest.approx((-1.1 * reach, 1.1 * reach))


def test_only_what_is_marked_is_filled():
    axes = new_figure(3, 2).subplots()
    draw_forest(axes, [Shown(1, 0.5, 2, 1, True), Shown(1, -1, 2, 1, False)], [COLORS[1]] * 2, None)
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert faces == [COLORS[1], "white"]


def test_a_specification_curve_has_the_rows_with_a_gain_from_the_least_to_the_largest(tmp_path):
    table = comparison.build(
        CHOICES, "synthped", outcomes_of(pi_vl=0.0, comma=0.02, levels=-0.05, joint=0.01)
    )
    assert [line.row.name for line in by_effect(table)] == [
        "levels",
        "joint",
        "comma",
    ]  # the others were not run
    draw_effects(table, tmp_path / "a.png")
    draw_effects(table, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 5


def test_a_table_without_gains_is_drawn_too(tmp_path):
    draw_effects(comparison.build(CHOICES, "synthped", {}), tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000
