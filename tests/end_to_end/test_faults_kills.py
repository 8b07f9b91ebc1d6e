"""Campaigns that are killed at any instant: they end as if undisturbed, and nothing finished is ever done again."""

import random

import pytest

from tests.support.killing import (
    STUDY,
    Watch,
    about,
    disturb,
    fair,
    finish,
    leftovers,
    said,
    start,
    stored,
    table,
    wait_until,
)

pytestmark = pytest.mark.slow  # each of these kills and restarts for minutes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run of the study stores and prints when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    status, out, err = finish(folder, *STUDY)
    assert status == 0, err
    assert not leftovers(folder)
    return stored(folder), table(out)


def ends_as_if_undisturbed(folder, undisturbed):
    """A last command finishes the study; all must be as it would have been."""
    status, out, err = finish(folder, *STUDY)
    assert status == 0, err
    records, printed = undisturbed
    ours = stored(folder)
    assert ours.keys() == records.keys()
    assert [name for name in ours if ours[name] != records[name]] == []
    assert table(out) == printed
    assert wait_until(lambda: not about(folder), fair(5.0)), about(folder)
    assert leftovers(folder) == []


def test_fifty_kills_at_random_instants(undisturbed, tmp_path):
    with Watch(tmp_path / "results") as watch:
        met = disturb(tmp_path, STUDY, rounds=50, draw=random.Random(0))
        ends_as_if_undisturbed(tmp_path, undisturbed)
    assert met >= 20  # the others came while commands began, or when all was done
    assert len(watch.seen) == 12  # two stages and four rows, at two seeds
    assert watch.rewritten == []


def test_two_commands_share_the_work_while_they_are_killed(undisturbed, tmp_path):
    with Watch(tmp_path / "results") as watch:
        typed, draw = (*STUDY, "--jobs", "1"), random.Random(1)
        disturb(tmp_path, typed, rounds=16, draw=draw, commands=2)
        ends_as_if_undisturbed(tmp_path, undisturbed)
    assert watch.rewritten == []


def test_two_commands_share_the_work_in_peace(undisturbed, tmp_path):
    with Watch(tmp_path / "results") as watch:
        both = [start(tmp_path, *STUDY, "--jobs", "1") for _ in range(2)]
        ended = [said(one) for one in both]
        ends_as_if_undisturbed(tmp_path, undisturbed)
    assert [(status, table(out)) for status, out, _ in ended] == [(0, undisturbed[1])] * 2
    assert watch.rewritten == []


def test_workers_end_with_a_killed_launcher(tmp_path):
    process = start(tmp_path, *STUDY, "--jobs", "1")
    assert wait_until(lambda: list((tmp_path / "results").glob("claims/*")), 120)
    process.kill()
    assert wait_until(lambda: len(about(tmp_path)) == 0, fair(2.0)), about(tmp_path)
    said(process)
    assert leftovers(tmp_path, unfinished=True) == []  # who has to end gives up what it has
