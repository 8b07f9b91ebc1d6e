"""Runs from before folders had a model.json: the model is what its record's recipe says, in the shapes that it has."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from torch import Tensor

from pivl.deployment.card import ModelCard, describe_model
from pivl.errors import Unreadable
from pivl.recipe import Recipe
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.system.json_files import read_json
from pivl.towers.architecture import VisionArchitecture
from pivl.towers.clip_catalog import named_clips
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.weights import infer_vision, read_architecture

RECORD = "record.json"
NET = "tower.net."  # before OpenAI's names
FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read_former(path: Path, state: Mapping[str, Tensor]) -> ModelCard:
    """Returns the card of the model with tensors `state` from the record beside it. Raises Unreadable, one line."""
    record = read_json(path, "copy the whole folder of the run again")
    try:
        known = {item.name for item in fields(Recipe)}
        recipe = Recipe.from_json({name: value for name, value in record["recipe"].items() if name in known})
        origin = {
            "training_data": f"{record['dataset']}@{record['fingerprint'][:6]}",
            "signature": str(record.get("signature", "")),
            "commit": str(record["commit"]),
        }
        vision = None if recipe.student else _vision(recipe, state)
        return describe_model(recipe, vision, state, **origin)
    except FAULTS as error:
        raise Unreadable(path, f"no record of a run that has a model: {error!s:.100}") from error


def _vision(recipe: Recipe, state: Mapping[str, Tensor]) -> VisionArchitecture:
    """Returns the tower by the backbone's name, or in the shapes of its tensors, with OpenAI's heads and activation."""
    if (shipped := CLIP_WEIGHTS.get(recipe.backbone)) is not None:
        return read_architecture(*read_state(shipped), str(shipped)).vision
    if recipe.backbone in named_clips():
        return named_clips()[recipe.backbone].architecture.vision
    return infer_vision({f"visual.{name.removeprefix(NET)}": value for name, value in state.items()})
