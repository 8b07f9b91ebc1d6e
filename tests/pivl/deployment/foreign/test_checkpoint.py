"""Checkpoints in their originals' forms describe pictures as the originals do; what does not fit is one line."""

from dataclasses import replace
from functools import cache

import numpy as np
import open_clip.model
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet50

from pivl.deployment.foreign.checkpoint import load_checkpoint
from pivl.deployment.foreign.clip_reid import write_state
from pivl.errors import UserError
from pivl.model import ReIDModel
from pivl.verification.clip_reid import reference_model
from pivl.verification.reference_file import read_figures
from pivl.verification.reference_inputs import Drawing
from tests.support.clip_files import SQUARE, TINY_RESNET, TINY_VIT, write_weights
from tests.support.mutations import COUNTS, check_reader
from tests.support.reference_files import RESNET, VIT


@cache
def drawn(reference):
    """What a reference file's numbers are of, and its image tower."""
    drawing = Drawing.read(read_figures(reference))
    return drawing, drawing.clip("reference").vision


def refusal(path, size=None):
    with pytest.raises(UserError) as refused:
        load_checkpoint(path, size)
    assert "\n" not in str(refused.value)
    assert path.name in str(refused.value)
    return str(refused.value)


def write_clip_reid(path, model: ReIDModel):
    """As its processor saves a model that was trained by several processes, prompts and text encoder among the rest."""
    state = model.state_dict()
    tower = {name.removeprefix("tower."): value for name, value in state.items() if name.startswith("tower.")}
    rest = {name: value for name, value in state.items() if not name.startswith("tower.")}
    text = {
        "prompt_learner.cls_ctx": torch.zeros(12, 4, 512),
        "text_encoder.ln_final.weight": torch.ones(512),
    }
    torch.save(
        {f"module.{name}": value for name, value in {**write_state(tower, rest), **text}.items()}, path
    )
    return path


@pytest.mark.parametrize("reference", [RESNET, VIT], ids=["resnet", "vit"])
def test_clip_reid_describes_the_originals_pictures_as_the_original_did(reference, tmp_path):
    """The figures that the original code computed, from weights drawn as it drew them."""
    figures, (drawing, tower) = read_figures(reference), drawn(reference)
    path = write_clip_reid(tmp_path / "RN50_120.pth", reference_model(drawing, tower))
    model = load_checkpoint(path)
    wanted = figures.values["eval.embedding"]
    found = model.embed(drawing.images()[: len(wanted)]).numpy()
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert model.facts.image_size == (256, 128)
    assert "12 training identities" in model.facts.notes
    assert "2 tensors of prompts and text encoder left aside" in model.facts.notes
    assert model.facts.normalization.mean[0] == (0.485 if reference == RESNET else 0.5)


def test_stride_12_and_cameras_are_told_by_shapes(tmp_path):
    """The tower of the ViT reference with overlapping patches and SIE: 21 x 10 positions, six embeddings."""
    drawing, clip = drawn(VIT)
    tower = type(clip)(clip.architecture, (256, 128), 12)
    tower.add_camera_embedding(6, 1.0, torch.Generator().manual_seed(1))
    model = ReIDModel(tower, 12, torch.Generator()).eval()
    loaded = load_checkpoint(write_clip_reid(tmp_path / "vit.pth", model))
    images, cameras = drawing.images()[:3], torch.tensor([0, 5, 2])
    with torch.no_grad():
        assert torch.equal(loaded.embed(images, cameras), model.embed(images, cameras))
    assert loaded.facts.cameras == 6
    assert {"stride 12", "6 camera embeddings, times 1"} <= set(loaded.facts.notes)


def test_a_size_that_is_not_among_the_known_is_asked_for(tmp_path):
    _, clip = drawn(RESNET)
    model = ReIDModel(type(clip)(clip.architecture, (160, 80)), 12, torch.Generator()).eval()
    path = write_clip_reid(tmp_path / "odd.pth", model)
    assert "50 positions are of no image of 256x128" in refusal(path)
    assert load_checkpoint(path, (160, 80)).facts.image_size == (160, 80)
    assert "50 positions are of no image of 96x96" in refusal(path, (96, 96))


@pytest.mark.parametrize("vision", [TINY_RESNET, TINY_VIT], ids=["resnet", "vit"])
def test_a_clip_without_training_gives_its_own_embedding(vision, tmp_path):
    """Of the network that open_clip builds itself."""
    vision = vision if vision.kind == "vit" else replace(vision, heads=4, width=8)
    path = write_weights(tmp_path / "clip.pt", vision)
    if vision.kind == "resnet":  # positions of CLIP's own stride
        state = torch.load(path)
        state["visual.attnpool.positional_embedding"] = state["visual.attnpool.positional_embedding"][
            :5
        ].clone()
        torch.save(state, path)
    model = load_checkpoint(path)
    config = {
        "layers": list(vision.layers) if vision.kind == "resnet" else vision.layers[0],
        "width": vision.width,
    }
    config |= {"image_size": SQUARE[0], "patch_size": vision.patch, "head_width": 64}
    net = open_clip.model._build_vision_tower(vision.embed_dim, open_clip.model.CLIPVisionCfg(**config), True)
    state = {
        name.removeprefix("visual."): value
        for name, value in torch.load(path).items()
        if name.startswith("visual.")
    }
    net.load_state_dict(state)
    images = torch.rand(2, 3, *SQUARE)
    with torch.no_grad():
        assert torch.allclose(model.embed(images), net.eval()(images), atol=1e-5)
    assert model.facts.image_size == SQUARE


@pytest.fixture(scope="module")
def plain():
    """torchvision's ResNet-50 with drawn statistics, as a trained one has."""
    torch.manual_seed(0)
    net = resnet50().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net


def body(net):
    return {name: value for name, value in net.state_dict().items() if not name.startswith("fc.")}


def maps(net, image, last_stride, pool=None):
    """layer4's map, written out."""
    net.layer4[0].conv2.stride = net.layer4[0].downsample[0].stride = (last_stride, last_stride)
    found = (pool or net.maxpool)(net.relu(net.bn1(net.conv1(image))))
    return net.layer4(net.layer3(net.layer2(net.layer1(found))))


@torch.no_grad()
def test_torchreid_is_the_mean_of_layer_4_or_its_layer_of_512(plain, tmp_path):
    image = torch.rand(1, 3, 256, 128)
    path = tmp_path / "model.pth.tar-60"
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in body(plain).items()}, "epoch": 60, "rank1": 0.8}, path
    )
    wanted = maps(plain, image, 2).mean(dim=(2, 3))
    assert torch.allclose(load_checkpoint(path).embed(image), wanted, atol=1e-5)
    fc = nn.Sequential(nn.Linear(2048, 512), nn.BatchNorm1d(512), nn.ReLU()).eval()
    head = {f"fc.{name}": value for name, value in fc.state_dict().items()}
    torch.save({**body(plain), **head, "classifier.weight": torch.zeros(751, 512)}, path)
    wanted = fc(maps(plain, image, 1).mean(dim=(2, 3)))
    assert torch.allclose(load_checkpoint(path).embed(image), wanted, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("power", [None, 3.0], ids=["mean", "generalised"])
def test_fast_reid_is_the_neck_after_its_pooling(plain, power, tmp_path):
    image, path = torch.rand(2, 3, 256, 128), tmp_path / "market_bot_R50.pth"
    neck = nn.BatchNorm2d(2048).eval()
    neck.running_mean.normal_()
    state = {f"backbone.{name}": value for name, value in body(plain).items()}
    state |= {f"heads.bottleneck.0.{name}": value for name, value in neck.state_dict().items()}
    state |= {"heads.weight": torch.zeros(751, 2048)}
    state |= {} if power is None else {"heads.pool_layer.p": torch.tensor([power])}
    torch.save({"model": state, "iteration": 7}, path)
    found = maps(plain, image, 1, nn.MaxPool2d(3, 2, ceil_mode=True))
    pooled = F.avg_pool2d(found.clamp(min=1e-6) ** (power or 1), (16, 8)) ** (1 / (power or 1))
    wanted = neck(pooled)[..., 0, 0]
    assert torch.allclose(load_checkpoint(path).embed(image), wanted, atol=1e-4)
    state["backbone.layer1.0.bn1.IN.weight"] = torch.zeros(32)
    torch.save({"model": state}, path)
    assert "has instance norms (IBN), which are not read" in refusal(path)


def test_what_is_no_known_model_or_lacks_a_tensor_is_one_line(plain, tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"other.weight": torch.zeros(3)}, path)
    assert "no model that is known but 1 tensors (other.weight)" in refusal(path)
    state = body(plain)
    del state["layer3.2.conv2.weight"]
    torch.save(state, path)
    assert "maps.layers.2.2.conv2.weight is missing" in refusal(path)


@COUNTS
def test_a_damaged_checkpoint_is_read_rightly_or_refused_in_one_line(count, tmp_path):
    _, clip = drawn(RESNET)
    small = type(clip)(replace(clip.architecture, width=2, heads=1, embed_dim=4), (256, 128))
    path = write_clip_reid(tmp_path / "damaged.pth", ReIDModel(small, 3, torch.Generator()))
    refused = check_reader(path, path.read_bytes(), load_checkpoint, count)
    assert refused > count // 4
