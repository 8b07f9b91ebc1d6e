"""Names that a person chooses from: the study's order, and the nearest where one is unknown."""

import pytest

from harness.inputs.choices import choose, choose_all
from pivl.errors import UserError


def test_choosing():
    known = ["clip-reid", "part-labels", "pi-vl"]
    assert choose_all("row", "pi-vl, clip-reid", known) == ["clip-reid", "pi-vl"]  # in the study's order
    with pytest.raises(UserError, match=r"unknown row .zzzz.; known: clip-reid, part-labels, pi-vl$"):
        choose("row", "zzzz", known)
