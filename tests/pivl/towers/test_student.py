"""Students: their features, their weights in every layout that files come in, and that texts cost them nothing."""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from pivl.errors import UserError
from pivl.fusion import CnnFusion, make_head
from pivl.system.random_streams import torch_stream
from pivl.towers.student import StudentTower, build_student
from pivl.towers.student_weights import read_student, save_student
from pivl.train import run_stage
from tests.support.tiny_models import PI_VL, RECIPE, SIZE, tiny_trainer, train

State = dict[str, Tensor]
NAME = "mobilenetv2-0.25"


def student(name: str = NAME, size: tuple[int, int] = (64, 32), seed: int = 0) -> StudentTower:
    return build_student(name, size, 32, torch_stream(seed, "test"))


class DliBlock(nn.Module):
    """An inverted residual as d-li14's mobilenetv2.pytorch builds and names it."""

    def __init__(self, wide: int, out: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = wide * expand
        self.identity = stride == 1 and wide == out
        depth = [
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        point = [nn.Conv2d(wide, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()]
        self.conv = nn.Sequential(*(depth if expand == 1 else point + depth))

    def forward(self, image: Tensor) -> Tensor:
        return image + self.conv(image) if self.identity else self.conv(image)


class DliNet(nn.Module):
    """d-li14's MobileNetV2 at width 0.25: 314 tensors."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        ]
        wide = 8
        for expand, out, blocks, stride in (
            (1, 8, 1, 1), (6, 8, 2, 2), (6, 8, 3, 2), (6, 16, 4, 2), (6, 24, 3, 1), (6, 40, 3, 2), (6, 80, 1, 1),
        ):  # fmt: skip
            for block in range(blocks):
                layers.append(DliBlock(wide, out, stride if block == 0 else 1, expand))
                wide = out
        self.features = nn.Sequential(*layers)
        self.conv = nn.Sequential(nn.Conv2d(80, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6())
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.conv(self.features(image)).mean((2, 3)))


def randomised(net: nn.Module, seed: int = 1) -> nn.Module:
    """The network with batch statistics and scales that are not those of a fresh one, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.add_(0.1 * torch.rand(value.shape, generator=generator))
    return net.eval()


def in_layout(layout: str) -> nn.Module:
    """A random MobileNetV2 at width 0.25 as one of its three authors builds it."""
    if layout == "d-li14":
        return randomised(DliNet())
    if layout == "timm":
        from timm.models.efficientnet import _gen_mobilenet_v2

        return randomised(_gen_mobilenet_v2("mobilenetv2_035", 0.25))
    return randomised(mobilenet_v2(width_mult=0.25))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("layout", ["d-li14", "torchvision", "timm"])
def test_weights_of_every_layout_give_the_same_classifier_as_their_own_code(
    tmp_path: Path, layout: str, suffix: str
) -> None:
    """The pooled feature through the file's classifier equals what the authors' network computes from the same file."""
    net, path = in_layout(layout), tmp_path / f"{layout}.{suffix}"
    state = net.state_dict()
    assert len(state) == 314  # method.md 5
    if suffix == "safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    tower = student()
    tower.net.load_state_dict(read_student(path, tower, NAME), strict=False)
    image = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(2))
    weight, bias = (
        next(value for key, value in state.items() if "classifier" in key and key.endswith(kind))
        for kind in ("weight", "bias")
    )
    ours = functional.linear(tower.eval().embed(image), weight, bias)
    torch.testing.assert_close(ours, net(image))


def test_a_file_of_timm_fills_any_network_of_timm(tmp_path: Path) -> None:
    for name in ("resnet18", "convnext_atto"):
        whole, path = randomised(timm.create_model(name, num_classes=7)), tmp_path / f"{name}.pth"
        torch.save(whole.state_dict(), path)
        tower = student(f"timm:{name}")
        tower.net.load_state_dict(read_student(path, tower, f"timm:{name}"), strict=False)
        image = torch.rand(2, 3, 64, 32)
        deepest = whole.forward_intermediates(image, intermediates_only=True)[-1]
        torch.testing.assert_close(tower.eval().embed(image), deepest.mean((2, 3)))


def broken_files() -> dict[str, tuple[object, str]]:
    """By what is wrong with it: what a file holds, and what the error says."""
    good: State = in_layout("torchvision").state_dict()
    lacking = {key: value for key, value in good.items() if not key.startswith("features.9.")}
    wide = randomised(mobilenet_v2(width_mult=0.5)).state_dict()
    return {
        "another width": (wide, r"does not fit mobilenetv2-0.25 \(features.*for.*more\)"),
        "a layer missing": (lacking, "no weights of mobilenetv2-0.25"),
        "another network": (nn.Linear(3, 3).state_dict(), "no weights of mobilenetv2-0.25"),
        "a list": ([1, 2], "holds no state dict"),
    }


@pytest.mark.parametrize("fault", broken_files())
def test_what_does_not_fit_is_one_line(tmp_path: Path, fault: str) -> None:
    content, says = broken_files()[fault]
    path = tmp_path / "file.pth"
    torch.save(content, path)
    with pytest.raises(UserError, match=says) as caught:
        read_student(path, student(), NAME)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_and_code_in_a_pickle_are_one_line(tmp_path: Path) -> None:
    whole, cut, code = tmp_path / "whole.pth", tmp_path / "cut.pth", tmp_path / "code.pth"
    torch.save(in_layout("torchvision").state_dict(), whole)
    cut.write_bytes(whole.read_bytes()[:-5000])
    code.write_bytes(pickle.dumps(print))
    for path in (cut, code):
        with pytest.raises(UserError, match=f"{path.name}: not whole weights"):
            read_student(path, student(), NAME)


def test_what_is_saved_is_read_back_and_twice_the_same(tmp_path: Path) -> None:
    tower, again = student(), student(seed=1)
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for path in paths:
        save_student(path, tower, "{}")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again.net.load_state_dict(read_student(paths[0], again, NAME), strict=False)
    image = torch.rand(1, 3, 64, 32)
    torch.testing.assert_close(
        again.eval().embed(image), tower.eval().embed(image), rtol=2e-2, atol=2e-3
    )  # half precision


@pytest.mark.parametrize("name", [NAME, "mobilenetv2-0.5", "timm:resnet18", "timm:convnext_atto"])
def test_features_are_what_the_stages_ask_for(name: str) -> None:
    tower = student(name).eval()
    features = tower(torch.rand(2, 3, 64, 32))
    assert [part.shape[1] for part in (features.last, features.feat, features.proj)] == list(tower.dims)
    assert [image.shape[1] for image in features.maps] == list(tower.map_channels)
    assert [64 // image.shape[2] for image in features.maps] == [4, 8, 16]
    torch.testing.assert_close(features.tokens.mean((2, 3)), features.proj)
    features = tower(torch.ones(1, 3, 64, 32))
    assert torch.equal(tower.embed(torch.ones(1, 3, 64, 32)), features.feat)
    assert torch.equal(tower.descriptor(features), features.feat)


def test_a_seed_decides_a_student_and_leaves_the_global_stream() -> None:
    before = torch.get_rng_state()
    first, same, other = (student(seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["project.1.weight"], other["project.1.weight"])


@pytest.mark.parametrize("name", ["mobilenet", "mobilenetv2-0", "timm:nonsense", "timm:vgg"])
def test_unknown_students_are_one_line(name: str) -> None:
    with pytest.raises(UserError, match=name):
        student(name)


def test_the_fusion_head_is_depth_wise_only_where_it_divides() -> None:
    """8 channels divide the text's 32, 24 do not; nor do 24, 40 or 80 divide CLIP's 1024 (method.md 5)."""
    head = make_head(replace(PI_VL, student=NAME), student(), torch_stream(0, "head"))
    assert isinstance(head, CnnFusion)
    assert [(layer.in_channels, layer.groups) for layer in head.project] == [(8, 8), (8, 8), (24, 1)]


@pytest.mark.parametrize("name", [NAME, "timm:resnet18"])
def test_a_student_learns_and_the_clip_does_not(name: str) -> None:
    trainer = tiny_trainer(replace(PI_VL, student=name, epochs=1))
    frozen = {key: value.clone() for key, value in trainer.clip.vision.state_dict().items()}
    begun, trained = trainer.fresh().model, train(trainer).model
    assert isinstance(trained.tower, StudentTower)
    moved = Counter(
        torch.equal(mine, theirs)
        for mine, theirs in zip(begun.tower.parameters(), trained.tower.parameters(), strict=True)
    )
    assert moved[False] > 0.9 * moved.total()
    assert all(torch.equal(frozen[key], value) for key, value in trainer.clip.vision.state_dict().items())


def test_a_student_starts_from_the_tensors_it_is_given() -> None:
    given = student(seed=5).net.state_dict()
    trainer = replace(tiny_trainer(replace(RECIPE, student=NAME)), student=given)
    begun = trainer.fresh().model.tower.net.state_dict()
    assert all(torch.equal(begun[key], given[key]) for key in given)


def test_the_stages_before_a_student_are_those_of_the_teacher() -> None:
    """Nothing is trained twice: what stage 1 depends on does not know the student, and comes out the same."""
    teacher, taught = PI_VL, replace(PI_VL, student=NAME)
    for stage in ("identity-prompts", "part-prompts"):
        assert teacher.stage_choices(stage) == taught.stage_choices(stage)
    tokens = [
        run_stage(tiny_trainer(recipe), "identity-prompts", {})["tokens"] for recipe in (teacher, taught)
    ]
    assert torch.equal(*tokens)
    assert "student" not in teacher.choices()
    assert SIZE[0] % 32 == 0  # the pictures of these tests are the smallest that a student takes
