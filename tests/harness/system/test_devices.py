"""Precision and device: what suits which, what a GPU's full memory says, and training in half precision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.execution.task_runner import describe_shortage
from harness.system.devices import (
    check_precision,
    choose_device,
    describe_device,
    device_without_torch,
    suitable_precision,
    suitable_slots,
)
from harness.system.process import allows_tf32, forbid_tf32
from pivl.errors import UserError
from pivl.recipe import CLIP_REID_CNN
from pivl.synthped.recipe import EMBEDDED
from pivl.train import Trainer, run_stage
from tests.support.tiny_models import RESNET, SIZE, VIT, tiny_clip, tiny_split

CPU = torch.device("cpu")
SHORT = replace(
    EMBEDDED, image_size=SIZE, identity_epochs=1, part_epochs=1, epochs=2, prompt_batch=16, people_per_batch=4,
    padding=2, part_text="identity+label", fusion="pyramid",
)  # fmt: skip


def train(recipe, vision, device, limit=None):
    """All stages; the last one's tensors, and the steps that were reported."""
    steps = []
    clip, report = tiny_clip(vision), lambda stage, step: steps.append((stage, step))
    trainer = Trainer(recipe, tiny_split(), clip, 0, device, report, limit)
    before, state = {}, {}
    for stage in recipe.stages():
        state = before[stage] = run_stage(trainer, stage, before)
    return state, steps


@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["resnet", "vit"])
def test_half_precision_trains_every_stage_near_what_fp32_does(vision):
    exact, _ = train(SHORT, vision, CPU)
    rough, steps = train(replace(SHORT, precision="bf16"), vision, CPU)
    assert {stage for stage, _ in steps} == set(SHORT.stages())
    for name, value in rough.items():
        assert value.dtype == exact[name].dtype, name  # weights stay as they are, only products are rounded
    losses = [float(sum(step.terms.values())) for stage, step in steps if stage == "image-tower"]
    assert all(torch.isfinite(torch.tensor(losses)))
    moved = torch.cat([(rough[name] - exact[name]).float().flatten() for name in exact])
    assert moved.abs().max() > 0
    assert moved.abs().mean() < 0.01


def test_a_trial_ends_each_stage_after_its_steps():
    _, steps = train(SHORT, RESNET, CPU, limit=1)
    assert [stage for stage, _ in steps] == list(SHORT.stages())


def test_only_a_resnet_keeps_its_channels_last():
    def layout(vision):
        model = Trainer(SHORT, tiny_split(), tiny_clip(vision), 0, CPU, lambda *_: None).fresh().model
        weight = next(value for value in model.parameters() if value.ndim == 4 and min(value.shape[1:]) > 1)
        return weight.is_contiguous(memory_format=torch.channels_last)

    assert (layout(RESNET), layout(VIT)) == (True, False)


@pytest.mark.parametrize(("flags", "expected"), [("avx2 avx512_bf16", "bf16"), ("avx512f bf16x", "fp32")])
def test_a_cpu_computes_in_bf16_where_it_has_instructions_for_it(monkeypatch, flags, expected):
    told = f"processor : 0\nflags : fpu {flags}\n"
    monkeypatch.setattr(Path, "read_text", lambda path, **_: told if str(path) == "/proc/cpuinfo" else "")
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/proc/cpuinfo")
    assert suitable_precision("cpu") == suitable_precision("auto") == expected


def test_a_cpu_that_tells_nothing_computes_in_fp32(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert suitable_precision("cpu") == "fp32"


def test_fp16_is_refused_where_gradients_cannot_be_scaled():
    with pytest.raises(UserError, match="fp16 needs a CUDA device, not cpu; use bf16 or fp32"):
        check_precision(CPU, "fp16")
    check_precision(CPU, "bf16")
    check_precision(torch.device("cuda"), "fp16")


def test_float32_is_float32_once_it_is_said(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert allows_tf32()
    forbid_tf32()
    assert not allows_tf32()


@pytest.mark.parametrize(
    ("changes", "stage", "said"),
    [
        ({}, "image-tower", "64 images in fp32; try --precision bf16, or else --set people_per_batch=8"),
        ({"precision": "bf16"}, "image-tower", "64 images in bf16; try --set people_per_batch=8"),
        ({"precision": "fp16"}, "part-prompts", "64 images in fp16; try --set prompt_batch=32"),
    ],
)
def test_full_gpu_memory_says_which_batch_and_precision_to_try(changes, stage, said):
    text = describe_shortage(replace(CLIP_REID_CNN, **changes), stage)
    assert text == f"CUDA out of memory in {stage}, with batches of {said}"
    field, value = said.rpartition(" ")[2].split("=")
    replace(CLIP_REID_CNN, **changes, **{field: int(value)})  # a recipe takes what is advised


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["resnet", "vit"])
def test_a_gpu_trains_every_stage_near_what_a_cpu_does(vision, precision):
    device = torch.device("cuda")
    forbid_tf32()
    exact, _ = train(SHORT, vision, CPU)
    ours, steps = train(replace(SHORT, precision=precision), vision, device)
    assert all(torch.isfinite(value).all() for _, step in steps for value in step.terms.values())
    moved = torch.cat([(ours[name] - exact[name]).float().flatten() for name in exact])
    assert moved.abs().mean() < 0.01


def test_a_device_is_foreseen_as_it_will_be_recorded():
    device = choose_device("cpu")
    assert device_without_torch("cpu") == (describe_device(device), suitable_slots(device))
    auto = choose_device("auto")
    assert device_without_torch("auto") == (describe_device(auto), suitable_slots(auto))
