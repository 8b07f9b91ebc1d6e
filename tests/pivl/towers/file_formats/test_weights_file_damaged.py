"""Damaged weights of every layout: one clear line that names the file, or a right reading."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.serialization import set_crc32_options

from pivl.parsers.schp import read_network
from pivl.system.random_streams import torch_stream
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import build_student
from pivl.towers.student_weights import read_student
from pivl.towers.weights import load_clip
from tests.support.clip_files import TINY_RESNET, write_weights
from tests.support.mutations import COUNTS, check_reader
from tests.support.parser_files import hollow_state
from tests.support.scripted_modules import Whole
from tests.support.tiny_models import STUDENT

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning", "ignore:.*torch.jit.*:DeprecationWarning"
)


def write(form: str, path: Path) -> bytes:
    """A tiny CLIP's file in the older layout, or a small archive; its bytes."""
    if form == "TorchScript":
        torch.jit.save(torch.jit.script(Whole().eval()), path)
    else:
        state = torch.load(write_weights(path, TINY_RESNET), weights_only=True)
        torch.save(state, path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


@pytest.mark.parametrize("form", ["legacy", "TorchScript"])
@COUNTS
def test_damaged_files_of_torch_are_one_line_or_read(form: str, count: int, tmp_path: Path) -> None:
    content = write(form, tmp_path / "a.pt")
    assert check_reader(tmp_path / "a.pt", content, read_state, count) > count / 3


@pytest.mark.parametrize("form", ["zip", "legacy"])
@COUNTS
def test_damaged_descriptions_are_one_line_or_read(form: str, count: int, tmp_path: Path) -> None:
    """In so small a file nearly every mutation meets what describes the tensors, with checksums out of the way."""
    path = tmp_path / "a.pt"
    set_crc32_options(False)
    try:
        state = {"a": nn.Parameter(torch.ones(3)), "b": torch.ones(2, 2)[:, 0]}
        torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=form == "zip")
    finally:
        set_crc32_options(True)
    assert check_reader(path, path.read_bytes(), read_state, count) > count / 3


@COUNTS
def test_damaged_checkpoints_of_schp_are_one_line_or_read(count: int, tmp_path: Path) -> None:
    path = tmp_path / "schp.pth"
    state = {name: value for name, value in hollow_state(7).items() if "fushion" in name or "bn1" in name}
    torch.save({"epoch": 150, "state_dict": state}, path)
    assert (
        check_reader(path, path.read_bytes(), read_network, count) == count
    )  # it has but some of the tensors


@COUNTS
def test_damaged_weights_of_students_are_one_line_or_read(count: int, tmp_path: Path) -> None:
    path, tower = tmp_path / "student.pth", build_student(STUDENT, (64, 32), 1, torch_stream(0, "student"))
    torch.save({name: value.half() for name, value in tower.net.state_dict().items()}, path)
    assert (
        check_reader(path, path.read_bytes(), lambda path: read_student(path, tower, STUDENT), count)
        > count / 3
    )


@COUNTS
def test_damaged_clips_are_one_line_or_read(count: int, tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.pt", TINY_RESNET)
    assert check_reader(path, path.read_bytes(), load_clip, count) > count / 3
