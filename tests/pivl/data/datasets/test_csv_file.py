"""A data set of one's own as a csv file: read as spreadsheets write it, and every row that cannot be meant is named."""

import pytest

from pivl.data.datasets import catalog
from tests.support.small_datasets import CSV_ROWS, SIZE, refusal, write_csv


@pytest.mark.usefixtures("cache")
def test_a_csv_is_a_data_set(tmp_path):
    split = catalog.load(str(write_csv(tmp_path, CSV_ROWS)), None, SIZE)
    assert split.name == "people"
    assert split.train.person.tolist() == [0, 0, 1, 1]
    assert split.train.camera.tolist() == [0, 1, 0, 1]
    assert split.query.person.tolist() == [2, 3]
    assert split.gallery.person.tolist() == [2, 3, -1]


@pytest.mark.usefixtures("cache")
def test_a_csv_may_lie_apart_from_its_pictures_and_come_from_a_spreadsheet(tmp_path):
    file = write_csv(tmp_path / "pictures", CSV_ROWS)
    moved = tmp_path / "mine.csv"
    moved.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n").replace(b",", b", "))
    split = catalog.load(str(moved), tmp_path / "pictures", SIZE)
    assert split.fingerprint == catalog.load(str(file), None, SIZE).fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows, rows[1]], "row 11: a/2.jpg is in row 3 of train already; remove one"),
        (lambda rows: [*rows, "a/../a/1.jpg,ann,door,train"],
         "row 11: a/1.jpg is in row 2 of train already; remove one"),
        (lambda rows: [*rows, "b/5.jpg,dan,door,gallery"],
         "row 11: b/5.jpg has person 'dan', but 'cleo' in row 6; correct one"),
        (lambda rows: [*rows, "b/5.jpg,cleo,gate,gallery"],
         "row 11: b/5.jpg has camera 'gate', but 'door' in row 6; correct one"),
        (lambda rows: [*rows, "b/10.jpg,dan,door,test"],
         "row 11: split 'test' is none of train, query, gallery"),
        (lambda rows: [*rows, "b/10.jpg,,door,query"], "row 11: no person"),
        (lambda rows: [*rows, "b/10.jpg,dan"], "row 11: no camera"),
        (lambda rows: [*rows, "b/10.jpg,dan,door,query,more"],
         "row 11: more cells than the header has columns; quote cells with commas"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_meant_is_named_by_its_number(tmp_path, change, message):
    assert refusal(write_csv(tmp_path, change(CSV_ROWS)), None) == f"people.csv: {message}"


def test_a_csv_without_a_column_or_a_picture_or_a_table_says_so(tmp_path):
    file = write_csv(tmp_path, CSV_ROWS, "path,person,cam,split")
    assert refusal(file, None) == (
        "people.csv: no column camera; the first row must name path, person, camera, split, and may name part_map"
    )
    file = write_csv(tmp_path, CSV_ROWS)
    (tmp_path / "b" / "6.jpg").unlink()
    assert refusal(file, None) == (
        f"people.csv: row 7: no image {tmp_path}/b/6.jpg; correct the path, or name its folder with --data-root"
    )
    assert refusal(tmp_path / "other.csv", None) == (
        f"cannot read {tmp_path}/other.csv (No such file or directory); name a csv file in UTF-8"
    )
    file.write_bytes(b"")
    assert refusal(file, None).startswith("people.csv: no row; the first must name path, person,")


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        (["b/7.jpg,cleo,gate,gallery"],
         "person cleo stands in the query set without a gallery image under a second camera; add one, or pass "
         "--allow-partial and such queries are left out of the scores"),
        (["a/1.jpg,ann,door,train", "a/2.jpg,ann,gate,train"],
         "the train set has one person (bob); at least two identities are needed"),
        (["b/6.jpg,dan,gate,query"], "the query set has one person (cleo); at least two identities are needed"),
        (["b/5.jpg,cleo,door,query", "b/6.jpg,dan,gate,query"], "no query images in {file}"),
    ],
)  # fmt: skip
def test_a_csv_without_a_second_camera_or_a_second_person_says_so(tmp_path, dropped, message):
    rows = [row for row in CSV_ROWS if row not in dropped] + ["b/10.jpg,cleo,door,gallery"]
    file = write_csv(tmp_path, rows)
    assert refusal(file, None) == f"people.csv: {message.format(file=file)}"


@pytest.mark.usefixtures("cache")
def test_a_query_without_an_answer_passes_with_allow_partial_and_one_person_does_not(tmp_path):
    rows = [row.replace("b/7.jpg,cleo,gate", "b/7.jpg,cleo,door") for row in CSV_ROWS]
    assert len(catalog.load(str(write_csv(tmp_path, rows)), None, SIZE, allow_partial=True).query) == 2
    alone = write_csv(tmp_path / "alone", CSV_ROWS[2:])
    assert refusal(alone, None, allow_partial=True).startswith(
        "people.csv: the train set has one person (bob)"
    )


def test_people_may_not_be_trained_on_and_tested_and_distractors_not_be_looked_for(tmp_path):
    assert refusal(write_csv(tmp_path, [*CSV_ROWS, "b/10.jpg,ann,gate,gallery"]), None) == (
        "people.csv: person ann stands in the train set and in query or gallery; remove one of them: "
        "test identities must not be trained on"
    )
    assert refusal(write_csv(tmp_path, [*CSV_ROWS, "b/10.jpg,distractor,gate,query"]), None) == (
        "people.csv: the query set holds distractors; they belong in the gallery only"
    )
