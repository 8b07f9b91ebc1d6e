"""A trained model is its folder: whole, alone, and to the bit what was scored; damaged or mixed up, it is one line."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import pivl
from pivl.data.normalization import NORMALIZATIONS
from pivl.deployment.card import NAME
from pivl.errors import UserError
from pivl.recipe import Recipe
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.architecture import VisionArchitecture
from pivl.towers.clip import ImageInput
from pivl.towers.weights import load_clip
from tests.support.mutations import COUNTS, check_reader
from tests.support.run_folders import KINDS, fresh, write_model
from tests.support.tiny_models import RECIPE, SIZE, STUDENT, tiny_clip, tiny_pictures

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    recipe, vision, model = fresh(request.param)
    return write_model(tmp_path / "run", recipe, vision, model), model


def test_a_loaded_model_describes_pictures_to_the_bit_as_the_trained_one(run):
    folder, model = run
    loaded, pictures = pivl.load(folder), tiny_pictures(3, 2, seed=5)
    images = NORMALIZATIONS["clip"].normalize(pictures.image)
    with torch.no_grad():
        expected = model.model.embed(images, pictures.camera)
    assert torch.equal(loaded.embed(images, pictures.camera), expected)
    assert loaded.facts.training_data == "tiny@000000"


def test_the_transform_gives_what_scoring_sees(run, tmp_path):
    folder, _ = run
    loaded = pivl.load(folder)
    image = tiny_pictures(1, 2, seed=3).image[:1]
    Image.fromarray(image[0].permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    expected = NORMALIZATIONS["clip"].normalize(image)[0]
    assert torch.equal(loaded.transform(tmp_path / "a.png"), expected)
    large = Image.open(tmp_path / "a.png").resize((48, 70))
    assert loaded.transform(large).shape == (3, *SIZE)
    assert torch.allclose(loaded(expected[None]), loaded.embed(expected[None]), atol=1e-5)


def test_an_unknown_camera_has_the_mean_of_all_embeddings(tmp_path):
    recipe, vision, model = fresh("vit")
    folder = write_model(tmp_path / "run", recipe, vision, model)
    images = torch.rand(2, 3, *SIZE)
    found = pivl.load(folder).embed(images)
    tower = model.model.tower
    tower.camera_embedding.data[:] = tower.camera_embedding.mean(dim=0)
    with torch.no_grad():
        assert torch.allclose(found, model.model.embed(images, torch.tensor([0, 2])), atol=1e-6)


@pytest.mark.slow  # loads torch and open_clip once more
def test_it_is_loaded_in_a_fresh_process_that_has_only_pivl(tmp_path):
    recipe, vision, model = fresh("resnet")
    folder = write_model(tmp_path / "run", recipe, vision, model)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "pivl").symlink_to(ROOT / "pivl")
    code = (
        "import sys, torch, pivl\n"
        "model = pivl.load(sys.argv[1])\n"
        "torch.save(model.embed(torch.load(sys.argv[2])), sys.argv[2])\n"
        "assert not {'harness', 'studies', 'pandas', 'mlflow'} & sys.modules.keys()\n"
    )
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    torch.save(images, tmp_path / "tensors.pt")
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "tensors.pt")],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "only"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.load(tmp_path / "tensors.pt"), pivl.load(folder).embed(images))


def former(folder: Path, recipe: Recipe, tower: torch.nn.Module) -> Path:
    """A run's folder from before there was a model.json."""
    folder.mkdir()
    tensors = {f"tower.{name}": value.contiguous() for name, value in tower.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    record = {"recipe": asdict(recipe), "dataset": "tiny", "fingerprint": "0" * 16, "commit": "abc"}
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_a_folder_from_before_model_json_is_read_by_its_record(tmp_path):
    """The shipped CLIP's tower by its name, OpenAI's ViT by its shapes (heads are 64 wide), a student by its name."""
    one_head = VisionArchitecture("vit", (2,), 64, 1, 32, 8)
    of = {
        "tiny": (EMBEDDED, load_clip(CLIP_WEIGHTS["tiny"], ImageInput(EMBEDDED.image_size)).vision),
        "vit": (replace(RECIPE, backbone="vit", patch_stride=8), tiny_clip(one_head).vision),
        "student": (replace(RECIPE, student=STUDENT), fresh("student")[2].model.tower),
    }
    for name, (recipe, tower) in of.items():
        loaded = pivl.load(former(tmp_path / name, recipe, tower))
        images = torch.rand(2, 3, *recipe.image_size)
        tower.eval().to(memory_format=tower.memory_format)
        with torch.no_grad():
            assert torch.equal(loaded.embed(images), tower.embed(images)), name
        assert loaded.facts.training_data == "tiny@000000"


def broken(folder, change):
    card = json.loads((folder / NAME).read_text())
    change(card)
    (folder / NAME).write_text(json.dumps(card))
    with pytest.raises(UserError) as refused:
        pivl.load(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_does_not_belong_together_is_one_line(tmp_path):
    recipe, vision, model = fresh("resnet")
    folder = write_model(tmp_path / "run", recipe, vision, model)
    said = broken(folder, lambda card: card["architecture"].update(width=16))
    assert "model.safetensors: does not fit its description (" in said
    (folder / "model.safetensors").rename(tmp_path / "aside")
    with pytest.raises(
        UserError, match=r"run: its weights, .*, are not there; .* --redo ROW makes them again"
    ):
        pivl.load(folder)
    (tmp_path / "aside").rename(folder / "model.safetensors")
    assert "no description of a model: form 2" in broken(folder, lambda card: card.update(form=2))
    (folder / NAME).unlink()
    with pytest.raises(UserError, match=r"holds neither model\.json nor record\.json"):
        pivl.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds no model\.safetensors"):
        pivl.load(folder)
    with pytest.raises(UserError, match="no such folder of a run"):
        pivl.load(tmp_path / "absent")


@COUNTS
def test_a_damaged_description_is_read_rightly_or_refused(count, tmp_path):
    recipe, vision, model = fresh("resnet")
    folder = write_model(tmp_path / "run", recipe, vision, model)
    path = folder / NAME
    refused = check_reader(path, path.read_bytes(), lambda _: pivl.load(folder), count, names=str(folder))
    assert refused > count // 3
