"""Pictures and part maps in the cache: the pixels CLIP-ReID would see, made once, whole or not at all."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from pivl.data import catalog, decode
from pivl.data.cache import one_at_a_time
from pivl.data.labels import IGNORE
from pivl.data.mapped import open_mapped, release, write_header
from pivl.errors import UserError
from pivl.people.benchmark import SYNTHPED, load
from pivl.people.export import export_market
from tests.small_sets import (
    CSV_ROWS,
    SIZE,
    write_csv,
    write_map,
    write_market,
    write_meta,
    write_msmt17,
    write_picture,
)

TRAINING_SIZE = (48, 20)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("PIVL_CACHE", str(folder))
    return folder


def load_market(root: Path, maps: Path | None = None, report=None, size=TRAINING_SIZE):
    return catalog.load("market1501", root, size, maps, True, report)


def refusal(root: Path, maps: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load_market(root, maps)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("which", ["train", "query", "gallery"])
def test_pixels_are_those_of_clip_reids_transforms(tmp_path, which):
    write_market(tmp_path)
    for seed, path in enumerate((tmp_path / "query").glob("*.jpg")):
        write_picture(path, seed, (61, 37))
    pictures = getattr(load_market(tmp_path), which)
    way = transforms.InterpolationMode.BICUBIC if which == "train" else transforms.InterpolationMode.BILINEAR
    resize = transforms.Resize(TRAINING_SIZE, way)
    for image, name in zip(pictures.image, pictures.names, strict=True):
        with Image.open(tmp_path / name) as picture:
            assert torch.equal(image, transforms.functional.pil_to_tensor(resize(picture.convert("RGB"))))


@pytest.mark.usefixtures("cache")
def test_grey_and_palette_pictures_become_rgb(tmp_path):
    file = write_csv(tmp_path, CSV_ROWS)
    with Image.open(tmp_path / "a" / "1.jpg") as picture:
        grey = picture.convert("L")
    grey.save(tmp_path / "a" / "1.jpg", quality=95)
    image = catalog.load(str(file), None, SIZE).train.image[0]
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])


def test_files_are_decoded_once_and_again_only_for_another_size_or_content(tmp_path, cache):
    root, counted = tmp_path / "market", []
    write_market(root)
    report = lambda done, total: counted.append((done, total))  # noqa: E731
    first = load_market(root, report=report)
    assert counted == [(4, 9), (6, 9), (9, 9)]
    again = load_market(root, report=report)
    assert len(counted) == 3
    assert all(
        torch.equal(getattr(first, name).image, getattr(again, name).image) for name in ("train", "query")
    )
    load_market(root, report=report, size=SIZE)
    assert counted[3:] == [(4, 9), (6, 9), (9, 9)]
    write_picture(root / "query" / "0003_c1s1_000005_00.jpg", 99)
    load_market(root, report=report)
    assert counted[6:] == [(2, 2)]  # the queries alone
    assert {path.suffix for path in cache.iterdir()} == {".npy", ".lock"}


@pytest.mark.usefixtures("cache")
def test_several_processes_decode_what_one_does(tmp_path, monkeypatch):
    write_market(tmp_path)
    alone = load_market(tmp_path)
    shutil.rmtree(os.environ["PIVL_CACHE"])
    monkeypatch.setattr(decode, "JOB", 2)
    monkeypatch.setattr(decode, "JOBS_PER_WORKER", 1)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    shared = load_market(tmp_path)
    for which in ("train", "query", "gallery"):
        assert torch.equal(getattr(alone, which).image, getattr(shared, which).image)


def test_a_cut_or_foreign_file_is_made_again_after_a_line(tmp_path, cache, capsys):
    root = tmp_path / "market"
    write_market(root)
    whole = load_market(root).query.image.clone()
    (path,) = cache.glob("market1501-query*.npy")
    content = path.read_bytes()
    for broken in (content[:-1], content[:50], b"", content.replace(b"48, 20", b"20, 48")):
        path.unlink()
        path.write_bytes(broken)
        assert torch.equal(load_market(root).query.image, whole)
        assert capsys.readouterr().err == f"pivl-bench: {path} is cut or damaged; making it again\n"
        assert path.read_bytes() == content


SECOND_PROCESS = """
import sys
from pathlib import Path
from pivl.data import catalog
if __name__ == "__main__":
    split = catalog.load("market1501", Path(sys.argv[1]), (48, 20), None, True)
    print(int(split.train.image.long().sum()))
"""


def test_two_processes_at_once_make_a_file_once_and_read_the_same(tmp_path, cache):
    root = tmp_path / "market"
    write_market(root)
    train = decode.plan_pictures(catalog.list_pictures("market1501", root), "train", TRAINING_SIZE).path
    cache.mkdir()
    with one_at_a_time(train, "making it here"):
        other = subprocess.Popen(
            [sys.executable, "-c", SECOND_PROCESS, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert other.stderr is not None
        assert (
            other.stderr.readline() == f"pivl-bench: another process is making {train.name}; waiting for it\n"
        )
        assert not train.exists()
    printed, warned = other.communicate(timeout=60)
    assert warned == ""
    written = train.stat().st_mtime_ns
    assert int(printed) == int(load_market(root).train.image.long().sum())
    assert train.stat().st_mtime_ns == written


def test_what_a_killed_process_left_is_cleared_away(tmp_path, cache):
    root = tmp_path / "market"
    write_market(root)
    load_market(root)
    (path,) = cache.glob("market1501-train*.npy")
    left = cache / f".{path.name}.abc123.npy"
    path.rename(left)
    load_market(root)
    assert path.exists()
    assert not left.exists()


def test_an_unreadable_picture_is_a_line_and_leaves_no_file(tmp_path, cache):
    root = tmp_path / "market"
    write_market(root)
    path = root / "bounding_box_train" / "0007_c1s1_000001_01.jpg"
    path.write_bytes(path.read_bytes()[:-20])
    assert re.sub(r"\d+ bytes", "N bytes", refusal(root)) == (
        f"cannot read {path} (image file is truncated (N bytes not processed)); get it again "
        "(pivl-bench data check lists all such files)"
    )
    path.write_text("<html>")
    assert refusal(root) == (
        f"cannot read {path} (cannot identify image file); get it again (pivl-bench data check lists all such files)"
    )
    assert not list(cache.glob("*.npy"))
    assert not list(cache.glob(".*.npy"))


def test_a_cache_that_cannot_be_written_or_is_full_is_said_before_the_work(tmp_path, cache, monkeypatch):
    root = tmp_path / "market"
    write_market(root)
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("pivl.data.cache.shutil.disk_usage", lambda _: room._replace(free=500_000))
    assert refusal(root) == (
        f"the cache folder {cache} has 0 MB free, the pictures need 0 MB; set PIVL_CACHE to a folder that can take it"
    )
    cache.rmdir()
    cache.write_text("a file")
    assert refusal(root) == (
        f"cannot write the cache folder {cache}: File exists; set PIVL_CACHE to a folder that can take it"
    )


@pytest.mark.usefixtures("cache")
def test_images_lie_over_the_file_and_take_no_memory_of_their_own(tmp_path):
    write_market(tmp_path)
    image = load_market(tmp_path).train.image
    array = np.load(next(Path(os.environ["PIVL_CACHE"]).glob("market1501-train*.npy")))
    assert torch.equal(image, torch.from_numpy(array))
    assert torch.equal(image[torch.tensor([2, 0])], torch.stack([image[2], image[0]]))
    if Path("/proc/self/maps").exists():
        spans = [
            line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "1501-train" in line
        ]
        inside = [
            int(span[0].split("-")[0], 16) <= image.data_ptr() < int(span[0].split("-")[1], 16)
            for span in spans
        ]
        assert any(inside)
        assert {span[1][:2] for span in spans} == {"r-"}


def resident_megabytes() -> float:
    """Memory of this process that files fill."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")
    )
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
def test_released_pages_take_no_memory_and_come_back_as_they_were(tmp_path):
    path, shape = tmp_path / "array.npy", (64, 1024, 1024)
    offset = write_header(path, shape)
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(bytes(range(1, 251)) * 1000)
    image = open_mapped(path, shape)
    empty = resident_megabytes()
    total = int(image.long().sum())
    assert resident_megabytes() - empty > 60
    release(image[3:9])  # a part of it will do
    assert resident_megabytes() - empty < 10
    assert int(image.long().sum()) == total == 1000 * sum(range(1, 251))


def test_releasing_leaves_other_tensors_alone():
    tensor = torch.ones(4096, 64)
    release(tensor)
    assert (tensor == 1).all()


def write_market_maps(root: Path, maps: Path, where: str, palette: bool = False) -> None:
    """A map for every training picture of write_market, each of a class of its own, at `where`/<stem>.png."""
    write_meta(maps)
    for label, path in enumerate(sorted((root / "bounding_box_train").glob("0*.jpg")), 5):
        write_map(maps / where / f"{path.stem}.png", label, palette=palette)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("where", "palette"), [(".", True), ("bounding_box_train", False), ("train", True)])
def test_maps_are_found_in_every_layout_and_follow_their_pictures(tmp_path, where, palette):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps, where, palette)
    split = load_market(root, maps)
    assert split.train.part_map.shape == (4, *TRAINING_SIZE)
    assert split.train.part_map.dtype == torch.uint8
    for label, part_map in enumerate(split.train.part_map, 5):
        assert (part_map[:24] == 0).all()
        assert (part_map[24:] == label).all()
    assert split.query.part_map is None
    assert split.gallery.part_map is None


@pytest.mark.usefixtures("cache")
def test_maps_are_resized_by_the_nearest_pixel(tmp_path):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps, ".")
    ids = np.random.default_rng(0).choice(np.array([0, 1, 19, IGNORE], np.uint8), (33, 15))
    Image.fromarray(ids).save(maps / "0002_c1s1_000003_01.png")
    write_picture(root / "bounding_box_train" / "0002_c1s1_000003_01.jpg", size=(33, 15))
    doubled = load_market(root, maps, size=(66, 30)).train.part_map[0]
    assert np.array_equal(doubled, ids.repeat(2, 0).repeat(2, 1))
    third = load_market(root, maps, size=(11, 5)).train.part_map[0]
    assert np.array_equal(third, ids[1::3, 1::3])


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("where", ["train", ".", "flat"])
def test_maps_of_msmt17_are_found_in_its_sub_folders_and_flat(tmp_path, where):
    root, maps = tmp_path / "msmt17", tmp_path / "maps"
    write_msmt17(root)
    write_meta(maps, "atr")
    for label, path in enumerate(sorted((root / "train").glob("*/*.jpg")), 1):
        place = maps if where == "flat" else maps / where / path.parent.name
        write_map(place / f"{path.stem}.png", label)
    split = catalog.load("msmt17", root, SIZE, maps, True)
    assert split.labels.name == "atr"
    assert split.train.part_map[:, -1, 0].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("cache")
def test_a_csv_names_its_maps_itself_or_schp_named_them(tmp_path):
    rows = [f"{row},maps/{row[2]}.png" if row.endswith("train") else f"{row}," for row in CSV_ROWS]
    file = write_csv(tmp_path, rows, "path,person,camera,split,part_map")
    write_meta(tmp_path, "pascal")
    for number in range(1, 5):
        write_map(tmp_path / "maps" / f"{number}.png", number)
    split = catalog.load(str(file), None, SIZE)
    assert split.labels.name == "pascal"
    assert split.train.part_map[:, -1, 0].tolist() == [1, 2, 3, 4]
    rows = [row.replace(".jpg", ".jpeg") for row in CSV_ROWS]
    file = write_csv(tmp_path / "schp", rows)
    write_meta(tmp_path / "output")
    for number in range(1, 5):
        write_map(tmp_path / "output" / "a" / f"{number}..png", number)
    assert catalog.load(str(file), None, SIZE, tmp_path / "output").train.part_map[:, -1, 0].tolist() == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.usefixtures("cache")
def test_another_parsers_maps_make_another_fingerprint_and_leave_the_pictures_decoded(tmp_path):
    root, maps, counted = tmp_path / "market", tmp_path / "maps", []
    write_market(root)
    write_market_maps(root, maps, ".")
    plain, first = load_market(root).fingerprint, load_market(root, maps).fingerprint
    write_meta(maps, "atr")
    relabelled = load_market(root, maps, lambda done, total: counted.append((done, total))).fingerprint
    ids = np.random.default_rng(0).integers(0, 9, SIZE, np.uint8)
    Image.fromarray(ids).save(maps / "0002_c1s1_000003_01.png")
    assert len({plain, first, relabelled, load_market(root, maps).fingerprint}) == 4
    assert counted == [(4, 4)]


@pytest.mark.usefixtures("cache")
def test_maps_that_cannot_be_used_are_a_line_that_names_the_file(tmp_path):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    path = maps / "0002_c1s1_000003_01.png"
    assert (
        refusal(root, maps) == f"{maps} is no folder; name the one that holds the part maps with --part-maps"
    )
    maps.mkdir()
    assert refusal(root, maps).startswith(
        f'{maps}/meta.json: no {{"label_set": NAME}} with NAME one of lip, atr, pascal'
    )
    write_market_maps(root, maps, ".")
    write_map(path, size=(32, 17))
    assert refusal(root, maps) == (
        f"{path}: the map is 32 x 17 (height x width), not 32 x 16 as its image; resize the map with nearest neighbours"
    )
    write_map(path, label=20)
    assert refusal(root, maps) == (
        f"{path}: class id 20 is not in label set lip (0 to 19, or 255); name the label set the map was made with"
    )
    path.write_bytes(path.read_bytes()[:40])
    assert refusal(root, maps).startswith(f"{path}: not a readable PNG (")


@pytest.mark.usefixtures("cache")
def test_a_missing_map_is_a_line_and_allow_partial_trains_without_it(tmp_path):
    rows = [f"{row},maps/{row[2]}.png" if row.endswith("train") else f"{row}," for row in CSV_ROWS]
    file = write_csv(tmp_path, rows, "path,person,camera,split,part_map")
    write_meta(tmp_path)
    for number in (1, 2, 4):
        write_map(tmp_path / "maps" / f"{number}.png", number)
    with pytest.raises(UserError) as caught:
        catalog.load(str(file), None, SIZE)
    assert str(caught.value) == (
        f"people.csv: 1 of 4 train images have no part map in {tmp_path} (first: a/3.jpg); parse them, or pass "
        "--allow-partial and they are trained without"
    )
    split = catalog.load(str(file), None, SIZE, allow_partial=True)
    assert (split.train.part_map[2] == IGNORE).all()
    assert split.train.part_map[[0, 1, 3], -1, 0].tolist() == [1, 2, 4]


@pytest.mark.usefixtures("cache")
def test_a_flat_folder_must_not_serve_two_pictures_by_one_map(tmp_path):
    rows = [row.replace("a/3.jpg", "c/1.jpg") for row in CSV_ROWS]
    file, maps = write_csv(tmp_path, rows), tmp_path / "maps"
    write_meta(maps)
    for number in (1, 2, 4):
        write_map(maps / f"{number}.png")
    with pytest.raises(UserError) as caught:
        catalog.load(str(file), None, SIZE, maps, allow_partial=True)
    assert str(caught.value) == (
        f"{maps}/1.png would be the part map of a/1.jpg and of c/1.jpg; keep the pictures' folders"
    )


@pytest.mark.usefixtures("cache")
def test_the_export_of_the_embedded_benchmark_loads_as_market1501_with_its_maps(tmp_path):
    config = replace(
        SYNTHPED, name="decode", training_people=4, training_shots=3, test_people=4, passers_by=4
    )
    export_market(config, SIZE, tmp_path / "export")
    drawn = load(config, SIZE)
    split = load_market(tmp_path / "export", tmp_path / "export" / "part_maps" / "lip", size=SIZE)
    for which in ("train", "query", "gallery"):
        found, meant = getattr(split, which), getattr(drawn, which)
        names = [Path(name).name for name in found.names]
        order = [names.index(name) for name in meant.names]
        assert sorted(names) == sorted(meant.names)
        assert found.person[order].tolist() == meant.person.tolist()
        assert found.camera[order].tolist() == meant.camera.tolist()
        assert (found.image[order].float() - meant.image.float()).abs().mean() < 4  # JPEG
        if which == "train":
            assert torch.equal(found.part_map[order], meant.part_map)
