"""The labels of the figure below Table 4."""

from harness.report.gain_plot import spread


def test_names_of_points_that_lie_close_together_stand_side_by_side():
    assert spread([10.0, 30.0, 31.0, 31.5]) == [10.0, 30.0, 33.5, 37.0]
    assert spread([99.0, 100.0, 100.0]) == [98.0, 101.5, 105.0]
