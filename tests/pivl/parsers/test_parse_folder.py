"""A map stays as long as it is of the picture that lies there; of a replaced picture it is made anew."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pivl.data.part_maps.confidence import beside, read_confidence
from pivl.data.part_maps.labels import PASCAL
from pivl.data.part_maps.reading import read_map
from pivl.data.part_maps.writing import MADE_OF, write_map
from pivl.data.picture_file import read_text
from tests.support.mutations import COUNTS, check_reader
from tests.support.parser_files import SIZE, Threshold, end, script, torchscript_words

DARK, BRIGHT = 30, 220


def save(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), grey, np.uint8)).save(path)


@pytest.fixture
def words(tmp_path: Path, cache: Path) -> list[object]:
    """The command for two dark pictures, a.bmp and b.bmp, whose sizes stay whatever they show."""
    for name in "ab":
        save(tmp_path / "in" / f"{name}.bmp", DARK)
    network = script(tmp_path / "n.pt", Threshold())
    return [*torchscript_words(tmp_path / "in", network, tmp_path / "out")]


def part(path: Path) -> int:
    """The one part that a map shows."""
    (found,) = read_map(path, PASCAL, SIZE).unique().tolist()
    return int(found)


def parse(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says, after the folder."""
    assert end(*words) == 0
    return capsys.readouterr().out.partition(": ")[2].strip()


def replace(path: Path, keep_date: bool) -> None:
    before = path.stat()
    save(path, BRIGHT)
    if keep_date:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.mark.parametrize("keep_date", [False, True])
def test_the_map_of_a_replaced_picture_is_made_anew(tmp_path, words, capsys, keep_date):
    assert parse(words, capsys) == "2 maps written"
    assert parse(words, capsys) == "0 maps written, 2 were there"
    replace(tmp_path / "in" / "a.bmp", keep_date)
    assert parse(words, capsys) == "1 maps written, 1 were there"
    assert (part(tmp_path / "out" / "a.png"), part(tmp_path / "out" / "b.png")) == (1, 0)
    assert parse(words, capsys) == "0 maps written, 2 were there"


def test_pictures_that_change_places_take_their_maps_along(tmp_path, words, capsys):
    replace(tmp_path / "in" / "a.bmp", keep_date=True)
    parse(words, capsys)
    for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
        (tmp_path / "in" / f"{old}.bmp").rename(tmp_path / "in" / f"{new}.bmp")
    assert parse(words, capsys) == "2 maps written"
    assert (part(tmp_path / "out" / "a.png"), part(tmp_path / "out" / "b.png")) == (0, 1)


def test_a_map_says_of_which_picture_it_is_and_shows_the_same(tmp_path, cache):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write_map(tmp_path / "with.png", pixels, of="ab" * 32)
    write_map(tmp_path / "without.png", pixels)
    assert [read_text(tmp_path / f"{name}.png", MADE_OF) for name in ("with", "without")] == ["ab" * 32, ""]
    assert np.array_equal(Image.open(tmp_path / "with.png"), Image.open(tmp_path / "without.png"))


def test_a_map_without_a_note_stays_while_it_is_younger_than_its_picture(tmp_path, words, capsys):
    """As versions before wrote them, or another hand."""
    parse(words, capsys)
    for name in "ab":
        write_map(tmp_path / "out" / f"{name}.png", np.full(SIZE, 6, np.uint8))
    assert parse(words, capsys) == "0 maps written, 2 were there"
    replace(tmp_path / "in" / "a.bmp", keep_date=True)
    assert parse(words, capsys) == "1 maps written, 1 were there"
    assert (part(tmp_path / "out" / "a.png"), part(tmp_path / "out" / "b.png")) == (1, 6)


def test_confidence_of_an_earlier_picture_does_not_stay_beside_another_map(tmp_path, words, capsys):
    parse([*words, "--confidence"], capsys)
    replace(tmp_path / "in" / "a.bmp", keep_date=False)
    parse(words, capsys)
    assert not beside(tmp_path / "out" / "a.png").exists()
    assert beside(tmp_path / "out" / "b.png").exists()
    assert parse([*words, "--confidence"], capsys) == "1 maps written, 1 were there"
    assert read_confidence(tmp_path / "out" / "a.png").shape == SIZE


@COUNTS
def test_the_note_of_a_damaged_map_is_right_or_refused(count, tmp_path):
    path = tmp_path / "a.png"
    write_map(path, np.zeros((4, 4), np.uint8), of="ab" * 32)
    check_reader(path, path.read_bytes(), lambda one: read_text(one, MADE_OF), count)
