"""Seeds and worlds as they are typed."""

import pytest

from harness.experiment.request import parse_seeds, parse_worlds
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


def test_worlds_are_typed_as_seeds_are_and_are_0_where_they_are_not():
    assert parse_worlds("0-2,5") == (0, 1, 2, 5)
    assert parse_worlds(None) == (0,)
    with pytest.raises(UserError, match="--worlds 2-1: 2-1 runs backwards; write 1-2"):
        parse_worlds("2-1")
