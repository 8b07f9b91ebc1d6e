"""Files that are no reference files: each is one line that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pivl.errors import UserError
from tests.reference_files import EVALUATION, RESNET, VIT, rewritten, verify


def set_meta(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda _, meta: meta.update({key: value})


@pytest.mark.parametrize(
    ("source", "change", "message"),
    [
        (VIT, set_meta("backbone", "mlp"), "backbone is 'mlp', neither resnet nor vit"),
        (VIT, set_meta("vision_width", "64"), "vision_width is '64', not a whole number from 1 on"),
        (VIT, set_meta("labels", [0] * 16), "labels do not name 16 pictures of 2 to 12 people"),
        (VIT, set_meta("labels", [0, 99] * 8), "labels do not name 16 pictures of 2 to 12 people"),
        (VIT, set_meta("image_size", [256]), r"image_size is \[256\], not height and width"),
        (VIT, set_meta("vocab_size", 100), "vocab_size is 100, not CLIP's 49408"),
        (RESNET, set_meta("vision_layers", [1, 1]), r"vision_layers is \[1, 1\], not those of four stages"),
        (EVALUATION, set_meta("rerank", None), "its meta says nothing usable under rerank"),
        (EVALUATION, lambda arrays, _: arrays.pop("query_pids"), "it lacks query_pids"),
        (EVALUATION, lambda arrays, _: arrays["query_features"].fill(np.nan), "features are not finite"),
        (
            EVALUATION,
            lambda arrays, _: arrays.update(query_camids=arrays["query_camids"][:3]),
            "query_camids is not 60 whole numbers",
        ),
        (VIT, lambda arrays, _: arrays.clear(), "it holds no figures"),
    ],
)
def test_a_file_that_describes_nothing_to_compute_is_one_line(
    tmp_path: Path, source: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], message: str
) -> None:
    path = rewritten(source, tmp_path / "foreign.npz", change)
    with pytest.raises(
        UserError, match=f"foreign.npz: .*{message}.*; use a reference file as it was made"
    ) as raised:
        verify(path)
    assert "\n" not in str(raised.value)


def test_a_kind_that_is_unknown_is_named_with_those_that_are_not(tmp_path: Path) -> None:
    path = rewritten(EVALUATION, tmp_path / "foreign.npz", set_meta("kind", "gait"))
    with pytest.raises(
        UserError,
        match=r"foreign\.npz: figures of kind 'gait' cannot be verified; give files of kind clip-reid or evaluation",
    ):
        verify(path)


def _truncated(path: Path) -> None:
    path.write_bytes(VIT.read_bytes()[:-5000])


def _damaged(path: Path) -> None:
    content = bytearray(EVALUATION.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _html(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>404</title>")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _no_meta(path: Path) -> None:
    np.savez(path, losses=np.zeros(3))


def _pickled(path: Path) -> None:
    np.savez(path, meta=json.dumps({"kind": "clip-reid"}), losses=np.array([{}], dtype=object))


def _one_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize("write", [_truncated, _damaged, _html, _empty, _no_meta, _pickled, _one_array])
def test_what_is_no_whole_reference_file_is_one_line(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "broken.npz"
    write(path)
    with pytest.raises(
        UserError, match=r"broken.npz: not a whole \.npz file of figures with its meta"
    ) as raised:
        verify(path)
    assert "\n" not in str(raised.value)


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.npz: no such reference file; check the path"):
        verify(tmp_path / "absent.npz")
