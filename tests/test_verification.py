"""Equality with the original: every figure is met, a changed loss or figure is seen, a broken file is one line."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pivl import losses, stages
from pivl.errors import UserError
from pivl.verification import drawing, format_checks, verify_file
from pivl.verification.drawing import Drawing, clip_shapes, clip_weight, draw
from pivl.verification.figures import AFTER_STEPS, Check, Figures, Measure, Recomputed, compare
from tests.reference import FOLDER

RESNET, VIT, EVALUATION = (
    FOLDER / f"{name}.npz" for name in ("clipreid_rn_tiny", "clipreid_vit_tiny", "evaluation")
)
drawn = cache(draw)
QUANTITIES = {"clip-reid": 22, "evaluation": 4}  # figures in a file of shared/reference/README.md


@pytest.fixture(autouse=True)
def weights_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time of a tiny file is drawing CLIP's 25 million token embeddings, the same ones for both."""
    monkeypatch.setattr(drawing, "draw", drawn)


def verify(path: Path) -> list[Check]:
    return verify_file(path, lambda _: None)


def failed(path: Path) -> set[str]:
    return {check.key for check in verify(path) if not check.passed}


def rewritten(source: Path, target: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """A copy of a reference file after `change` to its arrays and meta."""
    with np.load(source) as file:
        arrays = {key: file[key] for key in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    change(arrays, meta)
    np.savez(target, meta=json.dumps(meta), **arrays)
    return target


@pytest.mark.parametrize("path", [RESNET, VIT, EVALUATION], ids=lambda path: path.stem)
def test_every_figure_of_the_original_is_met(path: Path) -> None:
    told: list[str] = []
    checks = verify_file(path, told.append)
    with np.load(path) as file:
        kind = json.loads(str(file["meta"]))["kind"]
    assert len(checks) == QUANTITIES[kind]
    assert [check.key for check in checks if not check.passed] == []
    assert all(check.rounding == 0 for check in checks)  # nothing had to be excused
    assert told
    assert not any("again" in line for line in told)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("identity_loss", {"stage2.first.id0", "stage2.first.id1", "stage2.first.i2t", "stage2.losses"}),
        ("hard_triplet", {*(f"stage2.first.tri{number}" for number in range(3)), "stage2.losses"}),
        ("contrast", {"stage1.i2t", "stage1.t2i", "stage1.losses"}),
    ],
)
def test_a_loss_changed_by_a_factor_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, seen: set[str]
) -> None:
    """Two percent; the keys that show it, and none of one pass through the towers or of the learning rates."""
    original = getattr(losses, name)
    monkeypatch.setattr(stages, name, lambda *args: 1.02 * original(*args))
    found = failed(VIT)
    assert seen <= found
    assert not {key for key in found if key.startswith(("visual", "eval", "text", "lr", "stage2.train"))}


def test_a_changed_learning_rate_schedule_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = stages.image_schedule
    monkeypatch.setattr(
        "pivl.verification.clip_reid.image_schedule",
        lambda recipe: lambda *at: original(recipe)(*at) * (1 + 1e-8),
    )
    assert "lr.stage2" in failed(VIT)


@pytest.mark.parametrize(
    ("path", "factors"),
    [
        (RESNET, {"stage2.embedding_after": 1.1}),
        (EVALUATION, {"mAP": 1 + 1e-6}),
        (EVALUATION, {"reranked_mAP": 1.1, "cmc": 1.01}),
        (
            VIT,
            {
                "visual.last": 1.001,
                "stage2.first.tri1": 1.001,
                "stage2.losses": 1.1,
                "stage1.cls_ctx_after": 1.1,
                "lr.stage1": 1 + 1e-8,
            },
        ),
    ],
)
def test_changed_numbers_fail_their_keys_and_no_other(
    tmp_path: Path, path: Path, factors: dict[str, float]
) -> None:
    """The largest number of each key, so that the change is its factor in the measure of the file."""

    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        for key, factor in factors.items():
            flat = arrays[key].reshape(-1).copy()
            flat[np.abs(flat).argmax()] *= factor
            arrays[key] = flat.reshape(arrays[key].shape)

    assert failed(rewritten(path, tmp_path / "changed.npz", change)) == factors.keys()


def test_figures_that_are_unknown_or_of_another_shape_fail_alone(tmp_path: Path) -> None:
    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        arrays["stage3.losses"] = np.zeros(3)
        arrays["lr.stage2"] = arrays["lr.stage2"][:-1]
        arrays["text.identity"] = arrays["text.identity"][:, :, None]
        arrays["stage1.i2t"] = np.array(np.nan)

    path = rewritten(VIT, tmp_path / "changed.npz", change)
    assert failed(path) == {"stage3.losses", "lr.stage2", "text.identity", "stage1.i2t"}


def test_large_maps_are_compared_where_a_file_keeps_them(tmp_path: Path) -> None:
    """README: [4, -1][:, ::step] with step = size per image // 2048; for the tiny ViT's 129 x 64 numbers, 4."""

    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        for key in ("visual.last", "visual.feat"):
            arrays[key] = arrays[key].reshape(4, -1)[:, ::4]
        arrays["text.identity"] = arrays["text.identity"][:5]

    assert failed(rewritten(VIT, tmp_path / "strided.npz", change)) == set()


def test_other_people_and_labels_than_ours_are_computed_from_the_meta(tmp_path: Path) -> None:
    """Pictures of people 5 and 11 in other numbers: losses of people change, towers and rates do not."""

    def change(_: dict[str, Any], meta: dict[str, Any]) -> None:
        meta["labels"] = [5] * 8 + [11] * 8

    found = failed(rewritten(VIT, tmp_path / "labels.npz", change))
    assert {"stage1.i2t", "stage2.first.id0", "stage2.first.tri0"} <= found
    assert not {key for key in found if key.startswith(("visual", "eval", "text", "lr", "stage2.train"))}


def nudged(deviation: float, rounding: float, shape: tuple[int, ...] = (2, 2)) -> Check:
    ours = torch.ones(shape, dtype=torch.float64)
    return compare(
        Recomputed("key", ours, AFTER_STEPS), np.full(shape, 1 + deviation), [ours * (1 + rounding), ours]
    )


def test_a_deviation_passes_up_to_three_times_what_rounding_does() -> None:
    assert nudged(5e-4, 0.0).passed
    assert not nudged(2e-3, 0.0).passed
    assert nudged(5e-2, 2e-2).passed
    assert not nudged(7e-2, 2e-2).passed
    assert not nudged(float("nan"), 2e-2).passed


def test_distances_that_tie_up_to_rounding_may_change_places(tmp_path: Path) -> None:
    """A match and a stranger, who stands first in the gallery, at one distance: the file has the match first."""

    def change(arrays: dict[str, Any], _: dict[str, Any]) -> None:
        angle = np.random.RandomState(0).uniform(0, 1, (8, 1))
        query = np.concatenate([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        height = np.array([[[0, 0, -0.7]], [[0, 0, 0.7]]])
        arrays.clear()
        arrays |= {
            "query_features": query.astype(np.float32),
            "gallery_features": (query + height).reshape(-1, 3).astype(np.float32),
            "query_pids": np.arange(8),
            "query_camids": np.zeros(8, dtype=int),
            "gallery_pids": np.concatenate([np.full(8, 20), np.arange(8)]),
            "gallery_camids": np.ones(16, dtype=int),
            "mAP": np.array(1.0),
        }

    (check,) = verify(rewritten(EVALUATION, tmp_path / "ties.npz", change))
    assert check.deviation > 0.1
    assert check.passed


def test_the_first_of_a_list_of_losses_stays_exact_where_later_ones_are_at_rounding_s_mercy() -> None:
    item = Recomputed("losses", torch.ones(3, dtype=torch.float64), AFTER_STEPS)
    moved = torch.tensor([1.0, 1.001, 1.1], dtype=torch.float64)
    assert compare(item, np.array([1.0, 1.002, 1.2]), [moved]).passed
    assert not compare(item, np.array([1.01, 1.002, 1.2]), [moved]).passed


def test_deviations_by_hand() -> None:
    ours, figure = torch.tensor([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0])
    assert Measure(1).deviations(ours, figure).tolist() == [0, 0.2, 0.2]
    assert Measure(1, "each").deviations(ours, figure).tolist() == [0, 1, 0.2]
    assert Measure(1, "nothing").deviations(ours, figure).tolist() == [0, 1, 1]
    assert Measure(1).deviations(ours, figure[:2]).tolist() == float("inf")
    assert Measure(1).deviations(torch.zeros(2), np.zeros(2)).tolist() == [0, 0]


def test_the_table_names_key_deviation_tolerance_and_outcome() -> None:
    table = format_checks(
        [
            Check("stage1.i2t", 2e-7, 1e-5, True),
            Check("lr", float("inf"), 1e-9, False),
            Check("stage2.losses", 2e-2, 1e-3, True, 1e-2),
        ]
    )
    assert table.splitlines() == [
        "key            deviation  tolerance  result",
        "stage1.i2t       2.0e-07      1e-05  pass",
        "lr                   inf      1e-09  FAIL",
        "stage2.losses    2.0e-02      1e-03  pass (rounding of the inputs alone moves it by 1.0e-02)",
    ]


def test_weights_follow_the_rules_of_the_readme() -> None:
    z = torch.from_numpy(draw("visual.proj", (6, 4), 7))
    assert torch.equal(clip_weight("visual.proj", (6, 4), 7), z / 6**0.5)
    z = torch.from_numpy(draw("a.attn.in_proj_weight", (6, 4), 7))
    assert torch.equal(clip_weight("a.attn.in_proj_weight", (6, 4), 7), z / 4**0.5)
    z = torch.from_numpy(draw("visual.conv1.weight", (6, 3, 2, 2), 7))
    assert torch.equal(clip_weight("visual.conv1.weight", (6, 3, 2, 2), 7), z / 12**0.5)
    z = torch.from_numpy(draw("ln_final.weight", (6,), 7))
    assert torch.equal(clip_weight("ln_final.weight", (6,), 7), 1 + 0.1 * z)
    z = torch.from_numpy(draw("visual.class_embedding", (6,), 7))
    assert torch.equal(clip_weight("visual.class_embedding", (6,), 7), 0.05 * z)
    z = torch.from_numpy(draw("visual.bn1.running_var", (6,), 7))
    assert torch.equal(clip_weight("visual.bn1.running_var", (6,), 7), 0.5 + z.abs())


@pytest.mark.parametrize(
    ("meta", "tensors"),
    [
        ({"backbone": "resnet", "vision_layers": [3, 4, 6, 3], "vision_width": 64, "embed_dim": 1024}, 489),
        ({"backbone": "vit", "vision_layers": 12, "vision_width": 768, "patch": 16, "embed_dim": 512}, 302),
    ],
)
def test_full_size_towers_have_the_tensors_of_openais_files(meta: dict[str, Any], tensors: int) -> None:
    """method.md 6.1; no weight is drawn."""
    with np.load(RESNET) as file:
        common = json.loads(str(file["meta"]))
    full = Drawing.read(Figures(RESNET, {**common, **meta, "text_layers": 12}, {}))
    assert len(clip_shapes(full)) == tensors


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
