"""What people and cameras of a csv file are called: one name however it is spelled, and what is no name is refused."""

import pytest

from harness.cli.main import main
from pivl.data.datasets.names import look_alikes, one_name_each, plain_name
from tests.support.small_datasets import CSV_ROWS, listed, refusal, write_csv


def spelled(rows, people=None, cameras=None):
    """The rows with other names for people and for cameras, by a function of set and name."""
    cells = [row.split(",") for row in rows]
    return [
        f"{path},{(people or keep)(which, person)},{(cameras or keep)(which, camera)},{which}"
        for path, person, camera, which in cells
    ]


def keep(which, name):
    return name


@pytest.mark.parametrize(
    "spelling", ["01", "1.0", "+1", "1.", "0001.000", " 1 ", "１", "١", "1\u200b", "\u00a01", "00000000000000001"]
)  # fmt: skip
def test_a_number_is_one_name_however_it_is_spelled(tmp_path, spelling):
    """The gallery's rows come from another tool; the cameras are those of the queries nevertheless."""
    numbers = {"door": "1", "gate": "2"}
    plain = listed(tmp_path / "plain", spelled(CSV_ROWS, cameras=lambda which, name: numbers[name]))
    mixed = spelled(
        CSV_ROWS,
        cameras=lambda which, name: (
            numbers[name].replace("1", spelling) if which == "gallery" else numbers[name]
        ),
    )
    other = listed(tmp_path / "mixed", mixed)
    assert other.entries == plain.entries
    assert other.cameras == ("1", "2")


@pytest.mark.parametrize("spelling", ["1", "1.0", "01", "+0001", "１"])
def test_test_people_under_another_spelling_were_trained_on_all_the_same(tmp_path, spelling):
    people = {"ann": "0001", "cleo": spelling}
    rows = spelled(CSV_ROWS, people=lambda which, name: people.get(name, name))
    assert refusal(write_csv(tmp_path, rows), None) == (
        "people.csv: person 1 stands in the train set and in query or gallery; remove one of them: "
        "test identities must not be trained on"
    )


def test_names_that_are_spelled_in_one_way_stay_as_they_are_and_other_text_is_no_number(tmp_path):
    names = {"ann": "0001", "bob": "1e3", "cleo": "1000", "dan": "José"}
    rows = spelled(CSV_ROWS, people=lambda which, name: names.get(name, name))
    listing = listed(tmp_path, rows)
    assert listing.people("train") == {"0001", "1e3"}
    assert listing.people("query") == {"1000", "José"}
    assert look_alikes(sorted(names.values())) == [("1000", "1e3")]
    accents = ["Jose\u0301", "José"]
    assert one_name_each(accents) == dict.fromkeys(accents, "José")
    assert [plain_name(text) for text in ("1.5", "0x1", "1_000", "c01", "-0", "\u22121", "-01.0")] == [
        "1.5", "0x1", "1_000", "c01", "0", "-1", "-1"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["c1", "c01", "c2"], [("c1", "c01")]),
        (["Gate", "gate", "GATE"], [("Gate", "gate"), ("Gate", "GATE")]),
        (["1.5", "1.50", "1.05"], [("1.5", "1.50")]),
        (["c１", "c1"], [("c１", "c1")]),
        (["12345678901234567", "12345678901234568", "9" * 400, "8" * 400], []),
        (["a1", "a10", "a 1", "1_1", "11", "1e999999999", "snan", "3", "2"], []),
    ],
)
def test_names_that_may_be_meant_as_one_are_known(names, pairs):
    assert look_alikes(names) == pairs


@pytest.mark.parametrize(
    "name",
    [
        "nan",
        "NaN",
        "None",
        "null",
        "NA",
        "<NA>",
        "n/a",
        "#N/A",
        "inf",
        "-inf",
        "?",
        "-",
        "#REF!",
        "-2",
        "-2.0",
    ],
)
@pytest.mark.parametrize("column", ["person", "camera"])
def test_what_is_no_name_is_refused_by_its_row(tmp_path, name, column):
    rows = [
        *CSV_ROWS,
        {"person": f"b/10.jpg,{name},door,gallery", "camera": f"b/10.jpg,dan,{name},gallery"}[column],
    ]
    known = "; distractor is a wrong answer, -1 left out" if column == "person" else ""
    assert refusal(write_csv(tmp_path, rows), None) == (
        f"people.csv: row 11: {name!r} is no {column}; name it, or remove the row{known}"
    )


@pytest.mark.parametrize("junk", ["-1", "-1.0", "-01", "\u22121"])
def test_junk_is_left_out_and_counted_and_distractors_stay_wrong_answers(tmp_path, junk):
    rows = [*CSV_ROWS, f"b/10.jpg,{junk},-1,gallery", f"b/11.jpg,{junk},far,train"]
    listing = listed(tmp_path, [row.replace("distractor", "Distractor") for row in rows])
    assert listing.ignored == 2
    assert listing.entries == listed(tmp_path / "clean").entries
    assert listing.cameras == ("door", "gate")
    assert refusal(write_csv(tmp_path / "camera", [*CSV_ROWS, "b/10.jpg,dan,-1,gallery"]), None) == (
        "people.csv: row 11: '-1' is no camera; name it, or remove the row"
    )


@pytest.mark.parametrize("words", [("data", "check"), ("run",), ("plan",), ("table",)])
def test_help_says_what_distractor_and_junk_are(words, capsys):
    with pytest.raises(SystemExit):
        main((*words, "--help"))
    told = " ".join(capsys.readouterr().out.split())
    assert "the person distractor is a wrong answer, -1 left out" in told
