"""Folders of runs as far as a model is concerned: tiny towers of every kind, not trained, with their model.json."""

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from pivl.deployment.card import NAME, describe_model
from pivl.model import Trained
from pivl.recipe import Recipe
from tests.support.tiny_models import RECIPE, RESNET, STUDENT, VIT, tiny_trainer

SIE = replace(RECIPE, camera_embedding=1.0, patch_stride=8)
ORIGIN = {"training_data": "tiny@000000", "signature": "mAP|tiny", "commit": "0123456789ab"}
KINDS = {"resnet": (RECIPE, RESNET), "vit": (SIE, VIT), "student": (replace(RECIPE, student=STUDENT), RESNET)}


def fresh(kind: str):
    """The recipe, CLIP tower and untrained model of a kind: resnet, vit (with SIE) or student."""
    recipe, vision = KINDS[kind]
    return recipe, vision, tiny_trainer(recipe, vision).fresh().set_training(False)


def write_model(folder: Path, recipe: Recipe, vision, model: Trained) -> Path:
    """The folder of a run as `execute` fills it, as far as a model is concerned."""
    folder.mkdir(parents=True)
    state = model.state()
    save_file(state, folder / "model.safetensors")
    describe_model(recipe, None if recipe.student else vision, state, **ORIGIN).write(folder / NAME)
    return folder
