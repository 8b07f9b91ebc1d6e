"""Rendered pictures are kept: named by all that decides them, made again when damaged, never by halves."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from pivl.errors import UserError
from pivl.synthped import benchmark, picture_cache
from tests.support.small_datasets import FEW_PEOPLE


def test_every_module_that_decides_pixels_names_the_cached_file_and_none_needs_torch():
    names = "import sys, pivl.synthped.rendering.picture; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", names], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pivl.synthped.rendering.bodies" in loaded
    decide = tuple(f"pivl.synthped.{name}" for name in picture_cache.DECIDE_PIXELS)
    assert all(name.startswith(decide) for name in loaded if name.startswith("pivl.synthped."))
    assert "torch" not in loaded  # a worker would load it for nothing


def test_the_fingerprint_tells_configurations_and_sizes_apart(cache):
    splits = [
        benchmark.load(FEW_PEOPLE),
        benchmark.load(replace(FEW_PEOPLE, severity=0.5)),  # the same maps under other colours
        benchmark.load(FEW_PEOPLE, (48, 24)),
    ]
    assert len({split.fingerprint for split in splits}) == 3
    assert benchmark.load(FEW_PEOPLE).fingerprint == splits[0].fingerprint


def test_a_second_load_finds_the_file_and_renders_nothing(cache):
    seen: list[int] = []
    first = benchmark.load(FEW_PEOPLE, report=lambda done, _: seen.append(done))
    assert seen[-1] == 28
    second = benchmark.load(FEW_PEOPLE, report=lambda done, _: pytest.fail("rendered again"))
    assert torch.equal(first.train.image, second.train.image)
    assert torch.equal(first.gallery.part_map, second.gallery.part_map)
    assert [path.suffix for path in sorted(cache.iterdir())] == [".json", ".npz"]


@pytest.mark.parametrize("damage", ["cut in half", "one bit", "no checksum", "a list", "deep", "fifo"])
def test_a_damaged_file_is_rendered_again_with_one_line(cache, capsys, damage):
    first = benchmark.load(FEW_PEOPLE)
    (path,) = cache.glob("*.npz")
    content = path.read_bytes()
    if damage == "cut in half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "one bit":
        path.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "fifo":
        path.unlink()
        os.mkfifo(path)
    else:
        text = {"no checksum": "{", "a list": "[]", "deep": "[" * 100_000}[damage]
        path.with_suffix(".json").write_text(text)
    second = benchmark.load(FEW_PEOPLE)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert str(path) in line
    assert "rendering it again" in line
    assert torch.equal(first.train.image, second.train.image)
    assert path.read_bytes() == content


def test_a_cache_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cannot write the cache folder .*PIVL_CACHE") as caught:
        benchmark.load(FEW_PEOPLE)
    assert "\n" not in str(caught.value)


def test_too_little_space_is_said_before_anything_is_rendered(cache):
    with pytest.raises(UserError, match=r"MB free, the images need .*PIVL_CACHE"):
        benchmark.load(FEW_PEOPLE, (2**20, 2**20))
