"""Weights as people have them: what is clear is read, and whatever else a file is gets one line that says so."""

import argparse
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pivl.errors import UserError
from pivl.parsers.schp import read_network
from pivl.system.random_streams import torch_stream
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import build_student
from pivl.towers.student_weights import read_student
from pivl.towers.weights import load_clip
from tests.support.clip_files import TINY_VIT, write_weights
from tests.support.parser_files import hollow_state
from tests.support.tiny_models import STUDENT

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """The state dicts of a CLIP, of SCHP and of a student, by whose they are."""
    path = tmp_path_factory.mktemp("states") / "clip.pt"
    clip = torch.load(write_weights(path, TINY_VIT), weights_only=True)
    schp = {name.removeprefix("module."): value for name, value in hollow_state(7).items()}
    student = build_student(STUDENT, (64, 32), 1, torch_stream(0, "student")).net.state_dict()
    return {"clip": clip, "schp": schp, "student": dict(student)}


def read_student_state(path: Path) -> object:
    return read_student(path, build_student(STUDENT, (64, 32), 1, torch_stream(0, "student")), STUDENT)


READERS: dict[str, Callable[[Path], object]] = {
    "clip": load_clip, "schp": read_network, "student": read_student_state,
}  # fmt: skip


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


WRAPPED: dict[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"state_dict": state, "best": np.float64(0.5)},
    "model": lambda state: {"model": state},
    "model_state_dict": lambda state: {"model_state_dict": state, "epoch": 3},
    "net": lambda state: {"net": state, "acc": torch.tensor(0.5)},
    "state_dict_ema": lambda state: {"state_dict_ema": state, "metric": 80.1, "arch": "x"},
    "teacher": lambda state: {"teacher": state, "loss": {"center": torch.zeros(1, 9)}},
    "open_clip's": lambda state: {
        "epoch": 3, "name": "run", "state_dict": prefixed(state, "module."),
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3), "step": torch.ones(())}}, "param_groups": [{"lr": 1}]},
    },
    "Lightning's": lambda state: {
        "state_dict": prefixed(state, "model."), "optimizer_states": [{}], "callbacks": {"best": torch.ones(1)},
        "hyper_parameters": argparse.Namespace(lr=1), "pytorch-lightning_version": "2.0",
    },
    "DistributedDataParallel's": lambda state: prefixed(state, "module."),
    "torch.compile's": lambda state: {"model": prefixed(state, "_orig_mod.module.")},
    "a running average's": lambda state: {"n_averaged": torch.tensor(3), **prefixed(state, "module.")},
    "with options": lambda state: {"state_dict": state, "args": argparse.Namespace(lr=1), "path": Path("x")},
    "with numbers of NumPy": lambda state: {"model": state, "best": np.float64(0.5), "curve": np.arange(3.0)},
    "twice wrapped": lambda state: {"checkpoint": {"model": {"state_dict": state}}},
    "beside others": lambda state: {**state, "epoch": 3, "note": "best", "lr": None},
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "whose"),
    [
        *((form, "clip") for form in WRAPPED),
        *((form, "student") for form in WRAPPED),
        ("model", "schp"),
        ("net", "schp"),
    ],
)
def test_a_wrapped_state_dict_is_read(
    form: str, whose: str, states: dict[str, State], tmp_path: Path
) -> None:
    torch.save(WRAPPED[form](states[whose]), tmp_path / "a.pth")
    READERS[whose](tmp_path / "a.pth")
    found = read_state(tmp_path / "a.pth")[0]
    assert found.keys() == states[whose].keys()
    assert all(torch.equal(found[name], value) for name, value in states[whose].items())


@pytest.mark.parametrize(
    ("written", "called"), [("safetensors", "a.bin"), ("safetensors", "a.pt"), ("torch", "a.safetensors")]
)
def test_the_content_decides_not_the_name(
    written: str, called: str, states: dict[str, State], tmp_path: Path
) -> None:
    write = save_file if written == "safetensors" else torch.save
    write({name: value.contiguous() for name, value in states["clip"].items()}, tmp_path / called)
    load_clip(tmp_path / called)


def told(path: Path, read: Callable[[Path], object] = load_clip) -> str:
    """The line about a file, without its name."""
    with pytest.raises(UserError) as refused:
        read(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def named(*names: str) -> Callable[[State], State]:
    """What makes a state dict of `names` and nothing else."""
    return lambda _: {name: torch.ones(1) for name in names}


def with_bias(value: float, kind: torch.dtype = torch.float32) -> Callable[[State], State]:
    """What makes a CLIP with `value` in one place."""
    return lambda state: state | {"ln_final.bias": torch.tensor([0.0] * 63 + [value], dtype=kind)}


class Pickled(nn.Module):
    """A network that is pickled whole."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


CLIP_REID = (
    "not a CLIP's weights in OpenAI's names but a checkpoint of CLIP-ReID's training (a trained image encoder "
    "without CLIP's whole text tower); name OpenAI's own file, as RN50.pt or ViT-B-16.pt, from which it started"
)
NOT_FINITE = "ln_final.bias holds numbers that are not finite (NaN or infinity); use weights without"
CONTENT: dict[str, tuple[Callable[[State], Any], str]] = {
    "two state dicts": (
        lambda state: {"state_dict": state, "state_dict_ema": state | {"more": torch.ones(1)}},
        "holds 2 state dicts ('state_dict', 'state_dict_ema'); save the one that is meant with torch.save, and ",
    ),
    "student and teacher": (
        lambda state: {"student": state, "teacher": dict(state)},
        "holds 2 state dicts ('student', 'teacher')",
    ),
    "a module": (
        lambda _: Pickled(),
        "a whole network, pickled with its code (test",
    ),
    "a module wrapped": (lambda _: {"model": Pickled()}, "a whole network, pickled with its code"),
    "numbered": (lambda state: dict(enumerate(state.values())), "tensors without names; save the network's"),
    "a list": (lambda state: [state], "holds no state dict of tensors but a list of other things"),
    "arrays": (lambda state: {"w": np.ones(3)}, "NumPy arrays; save them as tensors"),
    "numbers": (lambda _: {"epoch": 3}, "holds no state dict of tensors but a dict of other things"),
    "one tensor": (lambda _: torch.ones(3), "a single tensor; save the network's state_dict()"),
    "CLIP-ReID's": (
        named(
            "image_encoder.proj",
            "prompt_learner.cls_ctx",
            "text_encoder.ln_final.weight",
            "classifier.weight",
        ),
        CLIP_REID,
    ),
    "CLIP-ReID's, half": (named("image_encoder.proj", "classifier.weight", "cv_embed"), CLIP_REID),
    "Hugging Face's": (named("text_model.a", "vision_model.b"), "a CLIP in Hugging Face's names"),
    "torchvision's": (named("conv1.weight", "layer1.0.conv1.weight", "fc.weight"), "a ResNet as torchvision"),
    "torchreid's": (named("module.base.layer1.0.conv1.weight"), "a ResNet as torchvision"),
    "timm's": (named("blocks.0.attn.qkv.weight"), "a ViT as timm names it"),
    "a LoRA": (named("base_model.q.lora_A.weight"), "a LoRA, which changes other weights; merge it"),
    "an image tower": (named("visual.proj"), "a CLIP's image tower without its text tower"),
    "SCHP's": (named("module.fushion.3.weight"), "SCHP's network, a human parser; name it to parse"),
    "nobody's": (named("a", "b"), "2 tensors (a, b); name a file with OpenAI's CLIP tensor names"),
    "NaN": (with_bias(torch.nan), NOT_FINITE),
    "infinity": (with_bias(-torch.inf), NOT_FINITE),
    "infinity in half": (with_bias(torch.inf, torch.float16), NOT_FINITE),
    "beyond float32": (with_bias(1e300, torch.float64), NOT_FINITE),
    "an odd name": (named("ln\nfinal"), "has a tensor of an odd name ('ln\\nfinal')"),
    "nested": (lambda _: {"visual": {"conv1": {"weight": torch.ones(2)}}}, "1 tensors (weight)"),
}


@pytest.mark.parametrize("form", CONTENT)
def test_what_is_no_clips_state_dict_is_said(form: str, states: dict[str, State], tmp_path: Path) -> None:
    make, said = CONTENT[form]
    torch.save(make(states["clip"]), tmp_path / "a.pth")
    assert said in told(tmp_path / "a.pth")


def packed(kind: str) -> bytes:
    """An archive of `kind` with a weights file in it."""
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("model.pt"))
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("model/a.npy" if kind == "npz" else "model/weights.pth", b"x")
    return buffer.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "an empty file; copy or download it again"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "a Git LFS pointer to them; run git lfs pull",
    ),
    "page": (b"<!DOCTYPE html><html><head><title>Virus scan warning</title></head></html>", "a web page"),
    "error page": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "gzip": (gzip.compress(b"x"), "a gzip archive; unpack it"),
    "tar": (packed("tar"), "a tar archive; unpack it"),
    "zip": (packed("zip"), "a zip archive; unpack it and name the weights in it"),
    "npz": (packed("npz"), "NumPy arrays; save a state dict of tensors with torch.save"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file, as Keras writes"),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x052.0.0" + bytes(90), "an ONNX model"),
    "gguf": (b"GGUF" + bytes(90), "a GGUF file"),
    "index": (b'{"metadata": {}, "weight_map": {"a": "model-1-of-2.bin"}}', "the index of a model in several files"),
    "json": (b'{"hidden_size": 3}', "JSON; name the weights that it belongs to"),
    "zeros": (bytes(9000), "zeros, as an interrupted download leaves"),
    "text": (b"path,person,camera\n", "text; copy or download it again"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(90), "an image"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "a pickle that torch.save did not write whole"),
    "noise": (bytes(range(128, 256)) * 9, "other or damaged bytes; copy or download it again"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_no_file_of_weights_is_said(kind: str, suffix: str, tmp_path: Path) -> None:
    content, said = FILES[kind]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    expected = (
        "not a whole safetensors file; copy"
        if (kind, suffix) == ("noise", ".safetensors")
        else f"not whole weights but {said}"
    )
    for read in READERS.values():
        assert expected in told(path, read)


def test_what_is_no_regular_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pt")
    (tmp_path / "link.pt").symlink_to("nowhere")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    for read in READERS.values():
        assert "(it is no regular file); " in told(tmp_path / "fifo.pt", read)
        assert "(it is no regular file); " in told(tmp_path / "zero.pt", read)
        assert "(it is a folder); " in told(tmp_path, read)
        for path in (tmp_path / "link.pt", tmp_path / ("x" * 300), tmp_path / "a\0b", Path("/dev/null/x")):
            assert "no such " in told(path, read)
