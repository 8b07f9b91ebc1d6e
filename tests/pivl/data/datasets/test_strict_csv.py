"""A csv file that cannot be meant, or in two ways, is refused by its row; what spreadsheets write is read."""

import os

import pytest

from pivl.data.datasets.csv_file import list_csv
from tests.support.mutations import COUNTS, check_reader
from tests.support.small_datasets import CSV_ROWS, listed, refusal, write_csv


def test_a_stray_quote_swallows_no_row(tmp_path):
    """Six training pictures were three in silence."""
    rows = [
        f"img/{person}_{camera}.jpg,{person},{camera},{which},"
        for person in range(6)
        for camera, which in enumerate(("train", "train") if person < 3 else ("gallery", "query"))
    ]
    header = "path,person,camera,split,note"
    assert len(listed(tmp_path, rows, header).entries["train"]) == 6
    quoted = [*rows]
    quoted[0] += '"'
    quoted[3] += '"'
    assert refusal(write_csv(tmp_path, quoted, header), None) == (
        "people.csv: row 2: a stray quote; a quoted cell ends in its row, and quotes in it are written twice"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"b/10.jpg,dan,door,gallery', "a stray quote"),
        ('b/10.jpg,dan,door,"gallery', "a stray quote"),
        ('b/10.jpg,da"n,door,gallery', "a stray quote"),
        ('b/10.jpg,"dan"el,door,gallery', "a stray quote"),
        ('b/10.jpg,"dan""",door,gallery"', "a stray quote"),
        ('b/10.jpg,"dan\n",door,gallery', "a stray quote"),
        ('b/10.jpg,"dan\r\n",door,gallery', "a stray quote"),
        ("b/10.jpg,dan\0,door,gallery", r"people.csv: row 11 has the character '\x00'"),
        ("b/10.jpg,dan\x1b[31m,door,gallery", r"people.csv: row 11 has the character '\x1b'"),
        ("b/10.jpg,dan\u2028,door,gallery", r"people.csv: row 11 has the character '\u2028'"),
        (f"b/10.jpg,{'9' * 5000},door,gallery", "row 11: a person of 5,000 characters; correct it"),
        (f"b/{'0' * 300}.jpg,dan,door,gallery", "row 11: no image"),
        (f"b/10.jpg,{'d' * 100_000},door,gallery", "row 11 has more than 100,000 characters, which no list has"),
        (r"b\10.jpg,dan,door,gallery", "write / between folders and file"),
        ("b,dan,door,gallery", "b is a folder; put the image there, or remove the row"),
        ("pipe,dan,door,gallery", "pipe is no regular file"),
        ("link,dan,door,gallery", "link is a broken link"),
        ("b/10.jpg,dan,door,Gallery", "row 11: split 'Gallery' is none of train, query, gallery"),
        ("b/10.jpg,dan,door", "row 11: no split"),
        (",,,", "row 11: no path"),
    ],
)  # fmt: skip
def test_a_hostile_row_is_refused_by_its_number(tmp_path, row, message):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/nowhere")
    file = write_csv(tmp_path, CSV_ROWS)
    with open(file, "a", newline="") as text:
        text.write(row + "\n")
    said = refusal(file, None)
    assert said.startswith("people.csv: row 11")
    assert message in said
    assert len(said) < 600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda text: text.replace(b",", b";"), "people.csv: no column path; the first row must name path, person, "
         "camera, split, and may name part_map (cells are separated by commas, not by semicolons)"),
        (lambda text: text.replace(b",", b"\t"), "people.csv: no column path; the first row must name path, person, "
         "camera, split, and may name part_map (cells are separated by commas, not by tabs)"),
        (lambda text: text.replace(b"split", b"Camera ", 1), "people.csv: 2 columns are called camera; remove or rename "
         "one"),
        (lambda text: text.replace(b"split", b"split,note,note", 1), "people.csv: 2 columns are called note; remove or "
         "rename one"),
        (lambda text: text.decode().encode("utf-16"), "people.csv: row 1 is no UTF-8; save the file as text in UTF-8"),
        (lambda text: text.decode().encode("utf-16-le"), r"people.csv: row 1 has the character '\x00', which no name "
         "has; correct it"),
        (lambda text: text.replace(b"dan", "dän".encode("latin-1")), "people.csv: row 7 is no UTF-8; save the file as "
         "text in UTF-8"),
        (lambda text: text.replace(b"split", b"split,part_map", 1), "people.csv: row 2: 4 cells, but 5 columns; write "
         "the commas of empty cells"),
        (lambda text: b"\n\n", "people.csv: no row; the first must name path, person, camera, split, and may "
         "name part_map"),
        (lambda text: text[:-40], "people.csv: row 10: no camera"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_such_table_says_what_it_is(tmp_path, content, message):
    file = write_csv(tmp_path, [*CSV_ROWS[:-1], "b/9.jpg,distractor,a-very-long-name-of-a-camera,gallery"])
    file.write_bytes(content(file.read_bytes()))
    assert refusal(file, None) == message


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "link", "name"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / ("p" * 300 + ".csv" if kind == "name" else "people.csv")
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "link":
            path.symlink_to("/nowhere")
    said = refusal(path, None)
    assert said.startswith(f"cannot read {path} (")
    assert said.endswith("); name a csv file in UTF-8")


def test_what_spreadsheets_write_is_read(tmp_path):
    """A mark of the order of bytes, other ends of lines, quoted commas and quotes, columns of their own, blank lines."""
    plain = listed(tmp_path)
    rows = [",".join(f'"{cell}"' for cell in row.split(",")) for row in CSV_ROWS]
    header = ' Path , PERSON, "camera",Split,,,"a ""note"", long"'
    lines = [header, "", *(f'{row}, ,,"x, ""y"""' for row in rows), "", "   "]
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "people.csv").write_bytes(b"\xef\xbb\xbf" + end.join(lines).encode())
        assert list_csv(tmp_path / "people.csv").entries == plain.entries


@COUNTS
def test_a_damaged_csv_is_refused_or_read_to_the_last_row(tmp_path, count):
    """Every row that is there is a picture in its set; the naive reading is by splitting at line ends and commas."""
    rows = [row.replace("distractor", "-1") for row in CSV_ROWS]
    content = write_csv(tmp_path, rows).read_bytes()

    def read(path):
        listing = list_csv(path)
        lines = [line for line in path.read_bytes().decode().splitlines()[1:] if line.strip()]
        kept = sum(len(entries) for entries in listing.entries.values())
        assert kept + listing.ignored == len(lines)
        for which, entries in listing.entries.items():
            for entry in entries:
                assert os.path.isfile(tmp_path / entry.name)
            assert len(entries) == sum(
                line.split(",")[3].strip(' "') == which and line.split(",")[1].strip() != "-1"
                for line in lines
            )

    check_reader(tmp_path / "people.csv", content, read, count)
