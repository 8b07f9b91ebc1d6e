"""Files that are no reference files: each is one line that names it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pivl.errors import UserError
from pivl.verification.reference_file import read_figures
from pivl.verification.verify import format_checks
from tests.support.mutations import COUNTS, check_reader
from tests.support.naive import FOLDER
from tests.support.reference_files import EVALUATION, RESNET, VIT, rewritten, verify

SCHP = FOLDER / "schp_lip.npz"


def set_meta(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda _, meta: meta.update({key: value})


@pytest.mark.parametrize(
    ("source", "change", "message"),
    [
        (VIT, set_meta("backbone", "mlp"), "backbone is 'mlp', neither resnet nor vit"),
        (VIT, set_meta("vision_width", "64"), "vision_width is '64', not a whole number from 1 to 65536"),
        (VIT, set_meta("labels", [0] * 16), "labels do not name 16 pictures of 2 to 12 people"),
        (VIT, set_meta("labels", [0, 99] * 8), "labels do not name 16 pictures of 2 to 12 people"),
        (VIT, set_meta("image_size", [256]), r"image_size is \[256\], not height and width"),
        (VIT, set_meta("vocab_size", 100), "vocab_size is 100, not CLIP's 49408"),
        (RESNET, set_meta("vision_layers", [1, 1]), r"vision_layers is \[1, 1\], not those of four stages"),
        (VIT, set_meta("vision_width", 10**12), "vision_width is 10{12}, not a whole number from 1 to 65536"),
        (VIT, set_meta("vision_width", 2**15), r"it describes a CLIP and pictures of 1.5e\+11 numbers"),
        (VIT, set_meta("vision_layers", 2**16), "it describes 65538 blocks on pictures of 256x128"),
        (VIT, set_meta("image_size", [2**14, 2**14]), "it describes 14 blocks on pictures of 16384x16384"),
        (VIT, set_meta("stage2_steps", 10**6), "stage2_steps is 1000000, not a whole number from 1 to 128"),
        (VIT, set_meta("backbone", "v\nit" * 999), r"backbone is 'v\\nitv.*\.\.\., neither resnet nor vit"),
        (EVALUATION, set_meta("rerank", {"k1": "many", "k2": 6, "lambda_value": 0.3}), "under rerank"),
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
        UserError, match=r"cannot read .*broken\.npz \(.+\); use a reference file as it was made"
    ) as raised:
        verify(path)
    assert "\n" not in str(raised.value)


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.npz \(No such file or directory\); use a reference file"):
        verify(tmp_path / "absent.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "link.npz").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo.npz")
    others = [Path("/dev/zero"), tmp_path / ("x" * 300), Path("nul\0.npz")]
    for path in [*(tmp_path / f"{name}.npz" for name in ("folder", "link", "fifo")), *others]:
        with pytest.raises(UserError, match=r"cannot read .*; use a reference file as it was made") as raised:
            verify(path)
        assert "\n" not in str(raised.value)


def without(*gone: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        for key in gone:
            arrays.pop(key)

    return change


def test_a_figure_that_was_taken_out_of_a_file_fails_and_is_named_in_one_line(tmp_path: Path) -> None:
    gone = ("mAP", "reranked_cmc")
    checks = verify(rewritten(EVALUATION, tmp_path / "less.npz", without(*gone)))
    assert [check.key for check in checks if not check.passed] == list(gone)
    assert [check.key for check in checks if check.absent] == list(gone)
    *rows, line = format_checks(checks).splitlines()
    assert line == "the file lacks mAP, reranked_cmc; use a reference file as it was made"
    assert len(rows) == 3


def test_a_figure_that_was_cut_short_fails(tmp_path: Path) -> None:
    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        arrays["cmc"], arrays["reranked_cmc"] = arrays["cmc"][:20], np.tile(arrays["reranked_cmc"], 10**6)

    checks = verify(rewritten(EVALUATION, tmp_path / "short.npz", change))
    assert [check.key for check in checks if not check.passed] == ["cmc", "reranked_cmc"]


@pytest.mark.slow  # the network of SCHP is built, 3 s
def test_a_picture_that_was_taken_out_of_a_file_of_schp_is_named(tmp_path: Path) -> None:
    keys = ("image1", "labels1", "margin1", "logits_stride4_1")
    for gone in (keys, keys[:1], keys[2:3]):
        path = rewritten(SCHP, tmp_path / "less.npz", without(*gone))
        lacks = " and ".join(key for key in gone if key in ("image1", "margin1"))
        with pytest.raises(UserError, match=f"less.npz: it lacks {lacks}; use"):
            verify(path)
    path = rewritten(SCHP, tmp_path / "less.npz", without("labels1", "logits_stride4_0", "state_dict_keys"))
    found = [check.key for check in verify(path) if not check.passed]
    assert found == ["state_dict_keys", "logits_stride4_0", "labels1"]


@COUNTS
@pytest.mark.parametrize("source", [VIT, EVALUATION, SCHP], ids=lambda path: path.stem)
def test_any_damage_of_a_file_is_one_line_or_figures(tmp_path: Path, source: Path, count: int) -> None:
    content = (
        source.read_bytes() if source is EVALUATION else small(source, tmp_path / "small.npz").read_bytes()
    )
    check_reader(tmp_path / "v.npz", content, read_figures, count)


def small(source: Path, target: Path) -> Path:
    """A copy of a reference file with few numbers in each array, so that damage meets headers and directories."""

    def cut(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        arrays.update({key: value.reshape(-1)[:8] for key, value in arrays.items()})

    return rewritten(source, target, cut)


@COUNTS
def test_any_damage_of_an_evaluation_is_one_line_or_a_verdict(tmp_path: Path, count: int) -> None:
    """The whole way, with eight queries so that one takes milliseconds."""

    def cut(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        for key in arrays:
            arrays[key] = (
                arrays[key][: 8 if key.startswith("query") else 60] if arrays[key].ndim else arrays[key]
            )

    content = rewritten(EVALUATION, tmp_path / "few.npz", cut).read_bytes()
    check_reader(tmp_path / "v.npz", content, lambda path: format_checks(verify(path)), min(count, 500))
