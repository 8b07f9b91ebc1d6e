"""One CLIP in every form of file gives the same towers; what is broken or foreign is one line that names it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pivl.errors import UserError
from pivl.system.processes import peak_resident_bytes
from pivl.system.random_streams import torch_stream
from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import Clip, ImageInput, build_clip
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.vocabulary import Vocabulary
from pivl.towers.weights import clip_from_state, load_clip, resize_positions, save_clip
from tests.support.clip_files import State, save_torchscript
from tests.support.mutations import COUNTS, check_reader

VISIONS = {
    "resnet": VisionArchitecture("resnet", layers=(1, 2, 1, 1), width=4, heads=2, embed_dim=8),
    "vit": VisionArchitecture("vit", layers=(2,), width=64, heads=1, embed_dim=8, patch=16),
}
VOCABULARY = Vocabulary.covering(["a photo of a person's red hat."])
SIZE = (64, 64)


def tiny(kind: str) -> Clip:
    words = TextArchitecture(layers=1, width=64, heads=1, embed_dim=8, context=9, vocabulary=len(VOCABULARY))
    architecture = ClipArchitecture(VISIONS[kind], words)
    return build_clip(architecture, ImageInput(SIZE), VOCABULARY, torch_stream(0, "tiny"))


def openai_state(clip: Clip) -> State:
    """The state dict that OpenAI would have published, in half precision as theirs are."""
    vision = {f"visual.{name}": value for name, value in clip.vision.net.state_dict().items()}
    state = {**vision, **clip.text.net.state_dict(), "logit_scale": torch.tensor(2.5)}
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}


FORMS: dict[str, tuple[str, Callable[[State, Path], None]]] = {
    "safetensors": ("a.safetensors", save_file),
    "state dict": ("a.pt", torch.save),
    "state dict in a checkpoint": (
        "a.pth",
        lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path),
    ),
    "legacy pickle": (
        "a.pth",
        lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    ),
    "TorchScript": ("a.pt", save_torchscript),
}


@pytest.mark.parametrize("kind", VISIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_equal_tensors(kind: str, form: str, tmp_path: Path) -> None:
    state = openai_state(tiny(kind))
    name, save = FORMS[form]
    save(state, tmp_path / name)
    read, metadata = read_state(tmp_path / name)
    assert metadata == {}
    assert read.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(read[key], value.float() if value.is_floating_point() else value)


@pytest.mark.parametrize("kind", VISIONS)
def test_a_saved_clip_comes_back_whole_at_its_own_size(kind: str, tmp_path: Path) -> None:
    clip, path = tiny(kind), tmp_path / "clip.safetensors"
    save_clip(path, clip, {"steps": 7})
    loaded = load_clip(path)
    assert loaded.architecture == clip.architecture
    assert loaded.vision.image_size == SIZE
    assert loaded.vocabulary.compact == VOCABULARY.compact
    assert loaded.logit_scale == pytest.approx(clip.logit_scale, rel=1e-6)
    assert not loaded.vision.training
    for ours, theirs in ((clip.vision, loaded.vision), (clip.text, loaded.text)):
        for name, value in ours.state_dict().items():
            expected = value.half().float() if value.is_floating_point() else value
            assert torch.equal(theirs.state_dict()[name], expected)
    assert read_state(path)[1]["extra"] == {"steps": 7}
    written = path.read_bytes()
    save_clip(path, clip, {"steps": 7})
    assert path.read_bytes() == written


def test_a_weight_beyond_half_precision_is_not_saved(tmp_path: Path) -> None:
    clip = tiny("resnet")
    clip.vision.net.bn1.running_var[0] = 70000.0  # the largest half is 65504
    with pytest.raises(ValueError, match=r"bn1\.running_var has values that are not finite in float16"):
        save_clip(tmp_path / "clip.safetensors", clip, {})
    assert not (tmp_path / "clip.safetensors").exists()


def test_positions_are_resized_bilinearly_between_cell_centres() -> None:
    """Cells 0, 4 of a 1 x 2 grid at centres .5, 1.5: the quarters of a 1 x 4 grid are 0, 1, 3, 4 by hand."""
    positions = torch.tensor([[9.0], [0.0], [4.0]])
    resized = resize_positions(positions, (1, 2), (1, 4))
    assert resized.flatten().tolist() == [9.0, 0.0, 1.0, 3.0, 4.0]
    down = resize_positions(torch.tensor([[9.0], [0.0], [1.0], [3.0], [4.0]]), (1, 4), (1, 2))
    assert down.flatten().tolist() == [9.0, 0.5, 3.5]


def test_positions_of_a_saved_clip_follow_a_grid_that_is_not_square(tmp_path: Path) -> None:
    """A ramp down the rows of a 4 x 2 grid stays one at 8 x 4, but for the clamped ends: -.25 steps to 0."""
    clip = build_clip(tiny("vit").architecture, ImageInput((64, 32)), VOCABULARY, torch_stream(0, "tiny"))
    with torch.no_grad():
        ramp = torch.arange(4.0)[:, None, None].expand(4, 2, 64)
        clip.vision.net.positional_embedding[1:] = ramp.reshape(8, 64)
    save_clip(tmp_path / "clip.safetensors", clip, {})
    resized = load_clip(tmp_path / "clip.safetensors", ImageInput((128, 64))).vision.net.positional_embedding
    expected = torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    assert torch.equal(resized[1:].detach(), expected[:, None, None].expand(8, 4, 64).reshape(32, 64))


def test_positions_that_are_no_square_grid_need_their_grid() -> None:
    with pytest.raises(UserError, match="8 positions are no 2x2 grid"):
        resize_positions(torch.zeros(9, 4), None, (4, 2))


def metadata_of(clip: Clip) -> dict[str, Any]:
    return {"architecture": asdict(clip.architecture), "image_size": SIZE, "vocabulary": VOCABULARY.compact}


def refuse(state: State, *said: str) -> None:
    with pytest.raises(UserError) as refusal:
        clip_from_state(state, {"vocabulary": VOCABULARY.compact}, "some.pt", ImageInput(SIZE))
    message = str(refusal.value)
    assert message.startswith("some.pt: ")
    assert "\n" not in message
    assert all(part in message for part in said), message


def test_tensors_that_do_not_fit_are_named() -> None:
    state = {name: value.float() for name, value in openai_state(tiny("resnet")).items()}
    state["visual.bn1.num_batches_tracked"] = torch.tensor(0)
    without = dict(state)
    del without["ln_final.bias"]
    refuse(without, "1 missing (ln_final.bias)")
    refuse(state | {"extra.weight": torch.zeros(2)}, "1 left over (extra.weight)")
    refuse(state | {"ln_final.bias": torch.zeros(3)}, "1 of another shape (ln_final.bias [3] for [64])")
    refuse({"fc.weight": torch.zeros(2, 2)}, "not a CLIP's weights")
    refuse({name: value for name, value in state.items() if name != "text_projection"}, "text_projection")
    with pytest.raises(UserError, match=r"some\.pt: .* missing \(visual\.class_embedding"):
        clip_from_state(state, metadata_of(tiny("vit")), "some.pt", None)


def test_batch_counters_may_be_absent() -> None:
    state = {name: value for name, value in openai_state(tiny("resnet")).items() if "num_batches" not in name}
    clip = clip_from_state(state, {"vocabulary": VOCABULARY.compact}, "some.pt", ImageInput(SIZE))
    assert torch.equal(clip.vision.net.conv1.weight, state["visual.conv1.weight"].float())


def one_line_about(path: Path) -> str:
    with pytest.raises(UserError) as refusal:
        read_state(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_cut_short_is_one_line(form: str, share: float, tmp_path: Path) -> None:
    name, save = FORMS[form]
    path = tmp_path / name
    save(openai_state(tiny("resnet")), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "again" in one_line_about(path)


def test_files_without_a_state_dict_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pt"
    path.write_text("not weights at all\n")
    assert "not whole weights" in one_line_about(path)
    torch.save({"epoch": 3}, path)
    assert "no state dict of tensors" in one_line_about(path)
    torch.save(torch.zeros(3), path)
    assert "no state dict of tensors" in one_line_about(path)
    assert "no such weights file" in one_line_about(tmp_path / "absent.pt")
    assert "no such weights file" in one_line_about(tmp_path)


@pytest.mark.parametrize(
    "metadata",
    [
        "not json",
        json.dumps({"architecture": {"vision": {}}}),
        json.dumps({"vocabulary": [3, 2, 1]}),
        json.dumps([1]),
        json.dumps({"image_size": [10**6, 10**6]}),
        json.dumps({"image_size": [64, "64"]}),
        json.dumps({"grid": [0, 4]}),
        "[" * 100_000,
    ],
)
def test_metadata_that_means_nothing_is_one_line(metadata: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(openai_state(tiny("vit")), path, {"pivl": metadata})
    with pytest.raises(UserError, match=r"a\.safetensors: [^\n]*$"):
        load_clip(path)


ABSURD = (
    {"layers": [10**9]},
    {"width": 10**9},
    {"width": -1},
    {"heads": 0},
    {"patch": 0},
    {"width": "64"},
    {"layers": 2},
)


@pytest.mark.parametrize("change", ABSURD)
def test_an_absurd_architecture_is_one_line_and_takes_no_memory(
    change: dict[str, object], tmp_path: Path
) -> None:
    path, clip = tmp_path / "a.safetensors", tiny("vit")
    told = metadata_of(clip)
    told["architecture"]["vision"] |= change
    save_file(openai_state(clip), path, {"pivl": json.dumps(told)})
    before = peak_resident_bytes()
    with pytest.raises(UserError, match=r"a\.safetensors: [^\n]*$"):
        load_clip(path)
    assert peak_resident_bytes() - before < 2**28


@COUNTS
def test_damaged_safetensors_are_one_line_or_read(count: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_clip(path, tiny("vit"), {"steps": 7})
    assert check_reader(path, path.read_bytes(), load_clip, count) > count / 3


@pytest.mark.parametrize("change", [{"width": 10**9}, {"names": 1}])
def test_headers_of_safetensors_that_claim_too_much_are_one_line(
    change: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [change.get("width", 1)], "data_offsets": [0, 4]}} | (
        {"a\nb": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}} if "names" in change else {}
    ))  # fmt: skip
    path.write_bytes(
        len(header).to_bytes(8, "little") + header.encode() + bytes(8 if "names" in change else 4)
    )
    assert "copy or download it again" in one_line_about(path)
