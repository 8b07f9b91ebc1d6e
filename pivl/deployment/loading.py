"""Loads a trained model from the folder of its run: tensors from model.safetensors, the rest from model.json.

Folders of runs that were written before there was a model.json are read by the recipe in their record.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pivl.deployment.card import DESCRIPTOR, NAME, ModelCard, StudentNetwork, read_card
from pivl.deployment.former import RECORD, read_former
from pivl.deployment.model import Deployed, Facts
from pivl.errors import NoWeights, Unreadable, UserError, first_line
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import Tower
from pivl.towers.vit import VisionTower

WEIGHTS = "model.safetensors"
TOWER = "tower."
Paths = Path | str | os.PathLike[str]


def load(place: Paths) -> Deployed:
    """Returns the model in the folder of a run, or in a file that `export` wrote, with its description beside it.

    It is in evaluation mode on the CPU, in the memory format that its record was scored in. Raises UserError, one line,
    for what is no model, or is not whole.
    """
    path = Path(place)
    if not path.exists():
        raise UserError(
            f"{path}: no such folder of a run; name one, as results/runs/ID, or a file that export wrote"
        )
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.exists() and ((path / NAME).exists() or (path / RECORD).exists()):
        raise NoWeights(path)
    if not weights.is_file():
        raise UserError(f"{path}: holds no {WEIGHTS}; name the folder of a finished run, as results/runs/ID")
    state, _ = read_state(weights)
    card = _find_card(path, weights, state)
    tower = restore_tower(card, state, weights)
    return Deployed(tower, tower.embed, facts_of(card))


def facts_of(card: ModelCard) -> Facts:
    """Returns how the model of a card is used."""
    shape = card.architecture
    kind = shape.name if isinstance(shape, StudentNetwork) else f"{shape.kind} of CLIP's"
    return Facts(card.image_size, card.normalization, DESCRIPTOR, kind, card.cameras, card.training_data)


def _find_card(path: Path, weights: Path, state: Mapping[str, Tensor]) -> ModelCard:
    beside = path / NAME if path.is_dir() else path.with_suffix(".json")
    if path.is_dir() and not beside.exists():
        if not (path / RECORD).exists():
            raise UserError(f"{path}: holds neither {NAME} nor {RECORD}; copy the whole folder of the run")
        return read_former(path / RECORD, state)
    return read_card(beside)


def restore_tower(card: ModelCard, state: Mapping[str, Tensor], source: Path) -> Tower:
    """Returns the tower of `card` with its tensors in `state`, in evaluation mode; UserError where they do not fit."""
    own = {name.removeprefix(TOWER): value for name, value in state.items() if name.startswith(TOWER)}
    try:
        card.check_size(len(own))
        with torch.device("meta"):  # what does not fit takes no memory
            expected = card.build().state_dict()
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except (ValueError, RuntimeError, ArithmeticError, TypeError) as error:
        raise Unreadable(source.with_name(NAME), f"no network can be so: {first_line(error):.100}") from error
    check_fit(expected, own, source)
    tower = card.build()
    tower.load_state_dict(own)
    return with_unknown_camera(tower).eval().to(memory_format=tower.memory_format)


def check_fit(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], source: Path) -> None:
    """Raises UserError unless `state` has every tensor that is expected, and no other, in its shape."""
    faults = [f"{name} is missing" for name in sorted(expected.keys() - state.keys())]
    faults += [f"{name} is left over" for name in sorted(state.keys() - expected.keys())]
    faults += [
        f"{name} is {list(state[name].shape)} for {list(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UserError(
            f"{source}: does not fit its description ({faults[0]}{more}); copy the whole folder again"
        )


def with_unknown_camera(tower: Tower) -> Tower:
    """Returns the tower with a further camera embedding, the last one: the mean of the others, for unknown cameras."""
    if isinstance(tower, VisionTower) and tower.camera_embedding is not None:
        table = tower.camera_embedding.detach()
        tower.camera_embedding = nn.Parameter(torch.cat([table, table.mean(dim=0, keepdim=True)]))
    return tower
