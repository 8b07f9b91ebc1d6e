"""Pictures in the cache: the pixels CLIP-ReID would see, made once, whole or not at all."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from pivl.data.cache import decode
from pivl.data.cache.folder import one_at_a_time
from pivl.data.cache.memory_map import open_mapped, release, write_header
from pivl.data.datasets import catalog
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.small_datasets import (
    CSV_ROWS,
    SIZE,
    TRAINING_SIZE,
    load_market,
    refusal,
    write_csv,
    write_market,
    write_picture,
)


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
    with Image.open(tmp_path / "a" / "2.jpg") as picture:
        palette = picture.quantize(16)
    palette.save(tmp_path / "a" / "2.jpg", format="PNG")
    image = catalog.load(str(file), None, SIZE).train.image
    assert torch.equal(image[0, 0], image[0, 1])
    assert torch.equal(image[0, 0], image[0, 2])
    assert torch.equal(image[1], transforms.functional.pil_to_tensor(palette.convert("RGB")))


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


def test_links_and_folders_in_the_cache_are_not_followed(tmp_path, cache, capsys):
    """Whoever else may write there could have had any file of the user emptied by a link under the lock's name."""
    root, mine = tmp_path / "market", tmp_path / "mine"
    write_market(root)
    whole = load_market(root).query.image.clone()
    (path,) = cache.glob("market1501-query*.npy")
    mine.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(mine)
    assert torch.equal(load_market(root).query.image, whole)
    assert "is cut or damaged; making it again" in capsys.readouterr().err
    assert not path.is_symlink()
    path.unlink()
    lock = path.with_name(f".{path.name}.lock")
    for target in (mine, tmp_path / "nowhere"):
        lock.unlink()
        lock.symlink_to(target)
        said = refusal("market1501", root, allow_partial=True, size=TRAINING_SIZE)
        assert (
            said
            == f"cannot open {lock} (it is a link); remove it, or set PIVL_CACHE to a folder that can take it"
        )
    assert mine.read_bytes()
    assert not (tmp_path / "nowhere").exists()
    lock.unlink()
    lock.mkdir()
    assert "remove it, or set PIVL_CACHE" in refusal(
        "market1501", root, allow_partial=True, size=TRAINING_SIZE
    )
    lock.rmdir()
    path.mkdir()
    assert f"cannot write {path}" in refusal("market1501", root, allow_partial=True, size=TRAINING_SIZE)


@COUNTS
def test_a_damaged_file_of_the_cache_is_whole_or_none(tmp_path, count):
    path, shape = tmp_path / "a.npy", (5, 3, 4)
    write_header(path, shape)

    def read(path):
        found = open_mapped(path, shape)
        if found is None:
            raise UserError(path.name)
        assert tuple(found.shape) == shape

    assert check_reader(path, path.read_bytes(), read, count) > count / 4


SECOND_PROCESS = """
import sys
from pathlib import Path
from pivl.data.datasets import catalog
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
    assert re.sub(r"\d+ bytes", "N bytes", refusal("market1501", root, allow_partial=True)) == (
        f"cannot read {path} (image file is truncated (N bytes not processed)); get it again "
        "(pivl-bench data check lists all such files)"
    )
    path.write_text("<html>")
    assert refusal("market1501", root, allow_partial=True) == (
        f"cannot read {path} (no header of a JPEG, PNG, BMP, PPM, GIF, WEBP or TIFF file); get it again "
        "(pivl-bench data check lists all such files)"
    )
    assert not list(cache.glob("*.npy"))
    assert not list(cache.glob(".*.npy"))


def test_a_cache_that_cannot_be_written_or_is_full_is_said_before_the_work(tmp_path, cache, monkeypatch):
    root = tmp_path / "market"
    write_market(root)
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("pivl.data.cache.folder.shutil.disk_usage", lambda _: room._replace(free=500_000))
    assert refusal("market1501", root, allow_partial=True) == (
        f"the cache folder {cache} has 0 MB free, the images need 0 MB; set PIVL_CACHE to a folder that can take it"
    )
    cache.rmdir()
    cache.write_text("a file")
    assert refusal("market1501", root, allow_partial=True) == (
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
