"""The specification curve of the choices: every row with a gain, in order, and the same bytes each time."""

import numpy as np
from PIL import Image

from harness.analysis import comparison
from harness.report.effect_plot import by_effect, draw_effects
from studies.choices import CHOICES
from tests.support.scored_runs import outcomes_of


def test_the_curve_has_the_rows_with_a_gain_from_the_least_to_the_largest(tmp_path):
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
