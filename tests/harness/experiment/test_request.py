"""Seeds as they are typed."""

import pytest

from harness.experiment.request import parse_seeds
from pivl.errors import UserError


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-2", (0, 1, 2)), ("3,0", (0, 3)), ("1,4-6", (1, 4, 5, 6)), ("7", (7,)), ("1,1", (1,))],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "-1", "1-", "a", "1..3", "0-5000"])
def test_seeds_that_are_none(text):
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(text)
