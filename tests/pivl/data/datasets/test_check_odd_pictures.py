"""Data sets with pictures and maps as people really have them: turned by EXIF, of 16 bits, broken links, bombs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.cli.main import main
from harness.display.progress import Progress
from harness.report import study_table
from harness.store.records import Results
from pivl.data.datasets import catalog
from pivl.data.datasets.check import check
from pivl.data.part_maps.labels import PASCAL
from pivl.data.part_maps.reading import read_map
from pivl.errors import UserError
from pivl.parsers.parse_folder import Choices, Outcome, parse_folder
from pivl.parsers.parser import Parser
from pivl.parsers.schp_extractor import Parsed
from tests.support.bmp_people import ask_about, write_people
from tests.support.parser_files import end
from tests.support.picture_files import TURNED, png
from tests.support.recorded_experiments import record_before
from tests.support.small_datasets import (
    CSV_ROWS,
    SIZE,
    refusal,
    write_csv,
    write_map,
    write_meta,
    write_picture,
)

ROWS_OF_TRAIN = [row.split(",")[0] for row in CSV_ROWS if row.endswith("train")]


@pytest.fixture
def people(tmp_path, cache) -> Path:
    """A csv data set with maps of the classes 1 to 4 in their lower halves; its folder."""
    write_csv(tmp_path / "set", CSV_ROWS)
    write_meta(tmp_path / "set" / "maps")
    for label, name in enumerate(ROWS_OF_TRAIN, 1):
        write_map((tmp_path / "set" / "maps" / name).with_suffix(".png"), label)
    return tmp_path / "set"


def load(folder: Path, maps: bool = True):
    return catalog.load(str(folder / "people.csv"), None, SIZE, folder / "maps" if maps else None)


def faults(folder: Path, allow_partial: bool = False) -> tuple[str, ...]:
    return check(str(folder / "people.csv"), None, folder / "maps", allow_partial).faults


@pytest.mark.parametrize("tag", TURNED)
def test_a_turned_picture_is_read_upright_and_has_an_upright_map(people, tag):
    """cases/exif-rotation: SCHP reads with OpenCV, which follows the tag, so its maps stand as people do."""
    plain, exif = load(people), Image.Exif()
    exif[274] = tag
    for name in ROWS_OF_TRAIN:
        with Image.open(people / name) as picture:
            stored = np.ascontiguousarray(TURNED[tag](np.asarray(picture)))
        Image.fromarray(stored).save(people / name, "PNG", exif=exif)
    turned = load(people)
    assert (turned.train.image == plain.train.image).all()
    assert (turned.train.part_map == plain.train.part_map).all()
    assert faults(people) == ()


def test_the_map_of_a_picture_as_it_is_stored_is_refused_with_advice(people):
    exif, name = Image.Exif(), people / ROWS_OF_TRAIN[0]
    exif[274] = 6
    with Image.open(name) as picture:
        stored = np.ascontiguousarray(TURNED[6](np.asarray(picture)))
    Image.fromarray(stored).save(name, exif=exif)
    write_map(people / "maps" / "a" / "1.png", size=SIZE[::-1])
    line = f"{people}/maps/a/1.png: the map is 16 x 32 (height x width), not 32 x 16 as its image; "
    assert refusal(people / "people.csv", None, people / "maps") == (
        f"{line}turn the map as the image's EXIF tag turns the image, or parse the image again"
    )


def test_sixteen_bits_give_the_numbers_of_eight(people):
    """cases/sixteen-bit: each picture grey, times 257."""
    for row in CSV_ROWS:
        path = people / row.split(",")[0]
        with Image.open(path) as picture:
            picture.convert("L").save(path, "PNG")
    eight = load(people)
    for row in CSV_ROWS:
        path = people / row.split(",")[0]
        with Image.open(path) as picture:
            Image.fromarray(np.asarray(picture).astype(np.uint16) * 257).save(path, "PNG")
    sixteen = load(people)
    for which in ("train", "query", "gallery"):
        assert (getattr(eight, which).image == getattr(sixteen, which).image).all()
    Image.fromarray(np.zeros(SIZE, np.float32)).save(people / "a" / "1.jpg", "TIFF")
    assert "unknown range" in refusal(people / "people.csv", None)
    (fault,) = faults(people)
    assert refusal(people / "people.csv", None) == f"{fault} (pivl-bench data check lists all such files)"


def test_links_to_nowhere_among_maps_matter_where_a_picture_wants_them(people):
    """cases/broken-link, its half of maps: zzz.png is wanted by nobody, a/1.png is missing."""
    (people / "maps" / "zzz.png").symlink_to("/nowhere")
    (people / "maps" / "below").symlink_to("/nowhere")
    assert faults(people) == ()
    load(people)
    (people / "maps" / "a" / "1.png").unlink()
    (people / "maps" / "a" / "1.png").symlink_to("/nowhere")
    assert faults(people) == (f"people.csv: a/1.jpg has no part map in {people}/maps",)
    assert "(first: a/1.jpg)" in refusal(people / "people.csv", None, people / "maps")
    assert faults(people, allow_partial=True) == ()


def test_a_map_whose_name_holds_a_zero_is_missing(people):
    """cases/fuzz/1-csv-3: a csv names the map of each picture with a NUL in it."""
    rows = [f"{row},a\0.png" if row.endswith("train") else f"{row}," for row in CSV_ROWS]
    file = write_csv(people, rows, "path,person,camera,split,part_map")
    with pytest.raises(UserError) as refused:
        catalog.load(str(file), None, SIZE, people / "maps")
    assert "\n" not in str(refused.value)


def replace(path: Path, kind: str) -> None:
    """Put something odd in the place of a picture or a map."""
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "bomb":
        path.write_bytes(png(20_000, 20_000, 8, 0 if path.suffix == ".png" else 2))
    elif kind == "EPS":
        Image.new("RGB", (4, 4)).save(path, "EPS")
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["fifo", "folder", "bomb", "EPS", "device"])
@pytest.mark.parametrize("name", ["a/1.jpg", "maps/a/1.png"])
def test_odd_files_are_refused_in_one_line_and_counted_where_the_listing_has_them(people, name, kind):
    """cases/fuzz/3-maps-1 and 3-maps-2, and files that nobody can read to their end."""
    replace(people / name, kind)
    line = refusal(people / "people.csv", None, people / "maps")
    assert str(people / name) in line or "1 of 4 train images have no part map" in line
    if name.endswith(".png") or kind in ("bomb", "EPS"):
        (fault,) = faults(people)
        assert line.startswith(fault) or "a/1.jpg has no part map" in fault


def bright(images: list[torch.Tensor]) -> list[Parsed]:
    """Part 1 where a picture is bright, with certainty."""
    return [Parsed((image[..., 0] > 127).to(torch.uint8), torch.ones(image.shape[:2])) for image in images]


def test_a_turned_picture_is_parsed_upright_and_once(tmp_path):
    """The map of our own parsers stands as the picture is seen, and is known again by its size."""
    shown = np.zeros((*SIZE, 3), np.uint8)
    shown[SIZE[0] // 2 :] = 255
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "in").mkdir()
    Image.fromarray(np.ascontiguousarray(TURNED[6](shown))).save(tmp_path / "in" / "a.png", exif=exif)
    parser = Parser(PASCAL, {}, bright)
    for outcome in (Outcome(1, 0, 0), Outcome(0, 1, 0)):
        made = parse_folder(
            parser, tmp_path / "in", tmp_path / "out", Choices(), lambda *_: None, pytest.fail
        )
        assert made == outcome
    assert (read_map(tmp_path / "out" / "a.png", PASCAL, SIZE).numpy() == shown[..., 0] // 255).all()


@pytest.mark.parametrize("kind", ["fifo", "folder", "bomb", "EPS", "device"])
def test_an_odd_picture_costs_the_parser_a_line(tmp_path, kind):
    for name in ("a.jpg", "b.jpg"):
        write_picture(tmp_path / "in" / name)
    replace(tmp_path / "in" / "b.jpg", kind)
    said: list[str] = []
    made = parse_folder(
        Parser(PASCAL, {}, bright), tmp_path / "in", tmp_path / "out", Choices(), lambda *_: None, said.append
    )
    assert (made.made, len(said)) == (
        (1, 0) if kind == "folder" else (1, 1)
    )  # os.walk takes a folder for a folder


def test_a_csv_of_a_long_name_finds_room_in_the_cache(tmp_path, cache):
    file = write_csv(tmp_path, CSV_ROWS).rename(tmp_path / f"{'ä' * 120}.csv")
    assert len(catalog.load(str(file), None, SIZE).train) == 4
    assert all(path.name.startswith("ä" * 32 + "-") for path in cache.glob("*.npy"))


@pytest.mark.parametrize(
    "words", [("--dataset", "loop.csv"), ("--dataset", "people.csv", "--part-maps", "loop.csv")]
)
def test_a_link_to_itself_is_one_line(people, monkeypatch, capsys, words):
    monkeypatch.chdir(people)
    (people / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(SystemExit) as ended:
        main(["plan", "ablation", *words])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "unexpected" not in said


def test_folders_of_maps_that_link_to_themselves_are_one_line(tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    for words in (("loop", "maps"), ("in", "loop/maps")):
        write_map(tmp_path / "in" / "a.png")
        assert end("import", "--from", "schp", *(tmp_path / word for word in words)) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "unexpected" not in said


@pytest.mark.parametrize("kind", ["ordinary", "turned", "16-bit", "transparent"])
def test_results_of_pictures_that_were_read_otherwise_then_are_left_behind(tmp_path, cache, capsys, kind):
    """Without the pixels of then only the pictures can say that they were something else."""
    csv, store = write_people(tmp_path / "data"), Results(tmp_path / "results", pytest.fail)
    pixels, exif = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), dtype=np.uint8), Image.Exif()
    exif[274] = 3 if kind == "turned" else 1
    shown = {"16-bit": pixels[..., 0].astype(np.uint16) * 257, "transparent": pixels}.get(
        kind, pixels[..., :3]
    )
    Image.fromarray(np.ascontiguousarray(shown)).save(tmp_path / "data" / "b" / "5.bmp", "PNG", exif=exif)
    experiment = ask_about(csv)
    record_before(experiment, store)
    found = study_table.read_outcomes(experiment, store, Progress.on_stderr(quiet=False))
    said = capsys.readouterr().err
    assert ("4 results named by sizes of files are carried over" in said) == (kind == "ordinary")
    assert ("5.bmp was read as it is stored then, not turned" in said) == (kind != "ordinary")
    assert all((one[0] is not None) == (kind == "ordinary") for one in found.values())
