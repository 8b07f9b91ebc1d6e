"""JSON of strangers: a value, or one line that names the file."""

import json
import os

import pytest

from pivl.data.part_maps.labels import LIP
from pivl.data.part_maps.reading import read_label_set
from pivl.data.part_maps.writing import write_meta
from pivl.errors import UserError
from pivl.system.json_files import read_json
from tests.support.mutations import COUNTS, check_reader

ODD = {
    "deep list": b"[" * 100_000,
    "deep table": b'{"a":' * 100_000,
    "long number": b"1" * 5_000,
    "long number inside": b'{"label_set": -' + b"9" * 5_000 + b"}",
    "zero": b"\0" * 100,
    "not UTF-8": b'{"label_set": "\xff"}',
    "mark of order": b'\xef\xbb\xbf{"label_set": "lip"}',
    "too large": b" " * 2**20 + b"1",
    "nothing": b"",
    "text": b"<html>",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_what_is_no_sane_json_is_one_line(tmp_path, content):
    path = tmp_path / "meta.json"
    path.write_bytes(content)
    for read in (
        read_json,
        lambda path: write_meta(path.parent, LIP, {}),
        lambda path: read_label_set(path.parent),
    ):
        with pytest.raises(UserError) as refused:
            read(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "value", [None, 7, "lip", [], [["lip"]], {"label_set": {}}, {"label_set": "l\nip" * 999}, True]
)
def test_values_of_the_wrong_type_are_one_line(tmp_path, value):
    path = tmp_path / "meta.json"
    path.write_text(json.dumps(value))
    assert read_json(path) == value
    for read in (lambda path: write_meta(path.parent, LIP, {}), lambda path: read_label_set(path.parent)):
        with pytest.raises(UserError, match=r"meta\.json") as refused:
            read(path)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 500


def test_what_is_no_file_is_one_line_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("fifo", "folder", "link", "absent", "a" * 300, "a\0b", "/dev/zero"):
        with pytest.raises(UserError):
            read_json(tmp_path / name)


@COUNTS
def test_a_damaged_meta_is_one_line_or_a_label_set(tmp_path, count):
    content = (json.dumps({"label_set": "lip", "flip_pairs": LIP.flip_pairs}, indent=1) + "\n").encode()
    check_reader(tmp_path / "meta.json", content, lambda path: read_label_set(path.parent), count)
