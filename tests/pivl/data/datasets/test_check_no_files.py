"""What has a picture's or a list's name and is none: said in one line by every command, and never waited for."""

import os
from contextlib import suppress

import pytest

from pivl.data.datasets.catalog import list_pictures
from pivl.data.datasets.check import check
from pivl.data.datasets.occluded_duke import build_occluded_duke
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.small_datasets import MSMT17_LISTS, refusal, write_duke, write_market, write_msmt17

KINDS = {
    "a broken link": lambda path: path.symlink_to("/nowhere"),
    "a folder": lambda path: path.mkdir(),
    "no regular file": os.mkfifo,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["bounding_box_train", "query", "bounding_box_test"])
def test_what_is_no_file_in_a_folder_of_pictures_is_one_line(tmp_path, kind, place):
    write_market(tmp_path)
    name = tmp_path / place / "0098_c1s1_000001_00.jpg"
    KINDS[kind](name)
    said = f"market1501: {name} is {kind}; restore or remove it"
    assert refusal("market1501", tmp_path, allow_partial=True) == said
    findings = check("market1501", tmp_path, allow_partial=True)
    assert findings.faults == (said,)
    assert [one.images for one in findings.sets] == [4, 2, 3]
    KINDS["a folder"](tmp_path / "query" / "0099_c1s1_000001_00.png")
    KINDS["a folder"](tmp_path / "query" / "notes")
    assert " (and 1 more that are no files); " in check("market1501", tmp_path, allow_partial=True).faults[0]


def test_a_link_that_leads_in_a_circle_or_to_a_picture_is_what_it_is(tmp_path):
    write_market(tmp_path)
    picture = tmp_path / "query" / "0003_c1s1_000005_00.jpg"
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to(tmp_path / "elsewhere.jpg")
    assert check("market1501", tmp_path, allow_partial=True).faults == ()
    picture.unlink()
    picture.symlink_to(picture)
    assert f"{picture} is a broken link" in refusal("market1501", tmp_path, allow_partial=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_may_name_what_is_no_file(tmp_path, kind):
    write_msmt17(tmp_path)
    picture = tmp_path / "test" / MSMT17_LISTS["list_gallery.txt"][0].split()[0]
    picture.unlink()
    KINDS[kind](picture)
    assert refusal("msmt17", tmp_path, allow_partial=True).startswith(f"msmt17: {picture} is {kind};")


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_or_a_folder_may_be_no_such_thing(tmp_path, kind):
    write_msmt17(tmp_path)
    (tmp_path / "list_val.txt").unlink()
    KINDS[kind](tmp_path / "list_val.txt")
    assert refusal("msmt17", tmp_path) == f"msmt17: no {tmp_path}/list_val.txt; unpack MSMT17 V1 again"
    market = tmp_path / "market"
    write_market(market)
    (market / "query").rename(market / "old")
    (market / "query").write_bytes(b"")
    assert refusal("market1501", market) == f"market1501: no {market}/query; unpack Market-1501 again"
    assert refusal("market1501", tmp_path / ("m" * 300)).startswith("market1501: /")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0000/0000_003_04_0303morning_0030_0.jpg " + "9" * 5000, " is not a path and a person"),
        ("0000/0000_003_04_0303morning_0030_0.jpg -1", "-1' is not a path and a person"),
        ("0000/0000_003_04_0303morning_0030_0.jpg \u0663", "\u0663' is not a path and a person"),
        (
            "0000/0000_003_\0004_0303morning_0030_0.jpg 0",
            r"row 3 has the character '\x00', which no name has",
        ),
        ("9" * 200_000, "row 3 has more than 100,000 characters"),
    ],
)
def test_a_line_of_a_list_that_is_none_is_named(tmp_path, line, said):
    write_msmt17(tmp_path)
    with open(tmp_path / "list_query.txt", "a") as file:
        file.write(line + "\n")
    whole = refusal("msmt17", tmp_path, allow_partial=True)
    assert said in whole
    assert "list_query.txt" in whole
    assert len(whole) < 600


def test_a_name_that_no_file_can_have_is_missing_as_others_are(tmp_path):
    write_msmt17(tmp_path)
    with open(tmp_path / "list_query.txt", "a") as file:
        file.write(f"{'0' * 300}_003_04_x.jpg 0\n")
    assert list_pictures("msmt17", tmp_path).missing == (f"test/{'0' * 300}_003_04_x.jpg",)


@COUNTS
def test_a_damaged_list_is_refused_or_read_to_the_last_line(tmp_path, count):
    write_msmt17(tmp_path)
    content = (tmp_path / "list_query.txt").read_bytes()

    def read(path):
        listing = list_pictures("msmt17", tmp_path)
        lines = [line for line in path.read_bytes().decode("utf-8-sig").splitlines() if line.strip()]
        assert len(listing.entries["query"]) + len(listing.missing) + len(listing.broken) == len(lines)

    check_reader(tmp_path / "list_query.txt", content, read, count)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_occluded_duke_are_not_waited_for_either(tmp_path, kind):
    write_duke(tmp_path / "duke")
    (tmp_path / "lists").mkdir()
    KINDS[kind](tmp_path / "lists" / "train.list")
    with pytest.raises(UserError, match=r"^cannot read .*train\.list \("):
        build_occluded_duke(tmp_path / "duke", tmp_path / "lists", tmp_path / "made")
    with suppress(UserError):
        build_occluded_duke(tmp_path / "duke", tmp_path / ("l" * 300), tmp_path / "made")
