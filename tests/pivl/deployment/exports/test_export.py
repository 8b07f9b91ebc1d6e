"""An exported file describes pictures as torch does, in batches of any size, and says how to use it, or is not there."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import pivl
from pivl.deployment.exports import export
from pivl.deployment.exports.export import Choices, export_model
from pivl.deployment.foreign.checkpoint import load_checkpoint
from pivl.errors import UserError
from pivl.evaluation.retrieval import Descriptors, rank_distances
from pivl.towers.architecture import VisionArchitecture
from tests.support.run_folders import KINDS, ORIGIN, SIE, fresh, write_model
from tests.support.tiny_models import PI_VL, RECIPE, RESNET, SIZE, tiny_pictures, tiny_trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
PICTURES = tiny_pictures(2, 4, seed=1).image
NAMES = {
    "onnx": "a.onnx",
    "torchscript": "a.pt",
    "safetensors": "a.safetensors",
    "clip-reid": "clip_tiny.pth",
}
ONE_HEAD = VisionArchitecture("vit", (2,), 64, 1, 32, 8)  # as OpenAI's are: 64 wide


def run_of(tmp_path, kind):
    if kind != "vit":
        return write_model(tmp_path / "run", *fresh(kind))
    return write_model(
        tmp_path / "run", SIE, ONE_HEAD, tiny_trainer(SIE, ONE_HEAD).fresh().set_training(False)
    )


def cases():
    """Each form of each tower, with normalisation and length within or not; of ONNX, which takes seconds, a few."""
    for kind in KINDS:
        for form in NAMES:
            marks = [pytest.mark.slow] if form == "onnx" and kind != "vit" else []
            yield pytest.param(kind, form, True, False, marks=marks)
        yield kind, "torchscript", False, True


@pytest.mark.parametrize(("kind", "form", "raw", "l2"), list(cases()))
def test_every_form_of_every_tower_describes_as_torch_does(kind, form, raw, l2, tmp_path):
    """The file is read by its own reader within export_model, which would refuse it; here its sidecar is held to it."""
    if kind == "student" and form == "clip-reid":
        with pytest.raises(UserError, match=r"a student is no tower of CLIP-ReID's"):
            export_model(run_of(tmp_path, kind), tmp_path / "a.pth", Choices(form, raw, l2), PICTURES)
        return
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    path = tmp_path / NAMES[form]
    found = export_model(run_of(tmp_path, kind), path, Choices(form, raw, l2), PICTURES)
    assert found["checked"]["largest_difference"] < 1e-4
    assert json.loads(path.with_suffix(".json").read_text()) == json.loads(json.dumps(found))
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["input"]["shape"] == ["batch", 3, *SIZE]
    assert found["training_data"] == ORIGIN["training_data"]


def test_the_sidecar_of_another_file_is_not_written_over(tmp_path):
    run, (first, second) = run_of(tmp_path, "resnet"), (tmp_path / "a.ts", tmp_path / "a.safetensors")
    for _ in range(2):  # the same file may be written again
        export_model(run, first, Choices("torchscript"), PICTURES)
    before = first.with_suffix(".json").read_bytes()
    with pytest.raises(UserError, match=r"a\.json describes a\.ts; name another output"):
        export_model(run, second, Choices("safetensors"), PICTURES)
    assert (first.with_suffix(".json").read_bytes(), second.exists()) == (before, False)


def test_an_onnx_file_takes_batches_of_any_size_and_raw_pixels(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    run, path = run_of(tmp_path, "resnet"), tmp_path / "a.onnx"
    export_model(run, path, Choices("onnx", raw=True, l2=True), PICTURES)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    model = pivl.load(run)
    for count in (1, 5):
        (found,) = session.run(None, {"images": (PICTURES[:count].float() / 255).numpy()})
        wanted = model.embed(model.facts.normalization.normalize(PICTURES[:count]))
        assert np.allclose(found, torch.nn.functional.normalize(wanted, dim=1), atol=1e-4)
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_onnx_file_scores_as_torch_does(kind, tmp_path):
    """Of both towers and the student mAP to 4 digits, on 300 pictures of 60 people.

    Distances are of float64: those of float32 differ by a rounding between torch and itself in batches of another size.
    """
    runtime = pytest.importorskip("onnxruntime")
    run, path, test = run_of(tmp_path, kind), tmp_path / "a.onnx", tiny_pictures(60, 5, seed=3)
    export_model(run, path, Choices("onnx"), PICTURES)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    model, pixels = pivl.load(run), test.image.float() / 255
    by_torch = model.embed(model.facts.normalization.normalize(test.image))
    by_onnx = torch.from_numpy(
        np.concatenate([session.run(None, {"images": some.numpy()})[0] for some in pixels.split(7)])
    )
    scores = [mean_average_precision(found.double(), test) for found in (by_torch, by_onnx)]
    assert 0 < scores[0] < 1
    assert scores[0] == pytest.approx(scores[1], abs=5e-5)


def mean_average_precision(feature, pictures):
    found = Descriptors.of(feature.float(), pictures.person, pictures.camera)
    unit = torch.nn.functional.normalize(feature, dim=1)
    return rank_distances(lambda some: torch.cdist(unit[some], unit), found, found).map


def test_an_exported_safetensors_is_loaded_as_the_run_is(tmp_path):
    run, path = run_of(tmp_path, "vit"), tmp_path / "a.safetensors"
    export_model(run, path, Choices("safetensors"), PICTURES)
    images, cameras = torch.rand(2, 3, *SIZE), torch.tensor([0, 2])
    assert torch.equal(pivl.load(path).embed(images, cameras), pivl.load(run).embed(images, cameras))


def test_pi_vls_export_has_exactly_clip_reids_parameters_and_operations(tmp_path):
    """Names, shapes and, traced, every operation: parts and fusion cost nothing once trained (Sec. 3.4)."""
    graphs, shapes = [], []
    for name, recipe in {"clip-reid": RECIPE, "pi-vl": PI_VL}.items():
        trained = tiny_trainer(recipe).fresh().set_training(False)
        run = write_model(tmp_path / name, recipe, RESNET, trained)
        export_model(run, tmp_path / f"{name}.pth", Choices("clip-reid"), PICTURES)
        export_model(run, tmp_path / f"{name}-traced.pt", Choices("torchscript"), PICTURES)
        state = torch.load(tmp_path / f"{name}.pth", weights_only=True)
        shapes.append({key: tuple(value.shape) for key, value in state.items()})
        graph = torch.jit.load(str(tmp_path / f"{name}-traced.pt")).inlined_graph
        graphs.append([node.kind() for node in graph.nodes()])
    assert shapes[0] == shapes[1]
    assert graphs[0] == graphs[1]
    assert {name.partition(".")[0] for name in shapes[0]} == {
        "image_encoder", "bottleneck", "bottleneck_proj", "classifier", "classifier_proj",
    }  # fmt: skip


def test_clip_reids_form_comes_back_as_its_checkpoint(tmp_path):
    run, path = run_of(tmp_path, "vit"), tmp_path / "clip_tiny.pt"
    export_model(run, path, Choices("clip-reid"), PICTURES)
    path.with_suffix(".json").unlink()
    images = torch.rand(2, 3, *SIZE)
    found = load_checkpoint(path, SIZE)
    assert torch.equal(found.embed(images), pivl.load(run).embed(images))
    assert found.facts.cameras == 4


def test_a_file_that_differs_from_torch_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    path = tmp_path / "a.pt"
    with pytest.raises(UserError, match=r"a\.pt: differs from torch by .* nothing was written"):
        export_model(run_of(tmp_path, "resnet"), path, Choices("torchscript"), PICTURES)
    assert not list(tmp_path.glob("a.*"))
    with pytest.raises(UserError, match=r"onnx files end in \.onnx"):
        export_model(run_of(tmp_path / "b", "resnet"), path, Choices("onnx"), PICTURES)


def test_another_number_of_heads_than_openais_is_refused_by_clip_reids_form(tmp_path):
    """CLIP-ReID counts heads by the width; a tower of others would be computed otherwise there."""
    two = replace(ONE_HEAD, heads=2)
    run = write_model(tmp_path / "run", SIE, two, tiny_trainer(SIE, two).fresh().set_training(False))
    with pytest.raises(UserError, match="differs from torch by"):
        export_model(run, tmp_path / "clip.pth", Choices("clip-reid"), PICTURES)
