"""Finds a trained model by what was typed for it: a run's id, its folder, or a checkpoint."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pivl.data.normalization import NORMALIZATIONS
from pivl.errors import UserError
from pivl.system.homes import expand_home

if TYPE_CHECKING:
    from pivl.deployment.model import Deployed

ID = re.compile(r"[0-9a-f]{16}")


def find_model(typed: str, results: Path, image_size: tuple[int, int] | None = None) -> "Deployed":
    """The model of a run below `results`, of its folder, of a file that export wrote, or of other code. Raises UserError.

    image_size (height, width): of pictures for a checkpoint that does not tell it.
    """
    from pivl.deployment.foreign.checkpoint import load_checkpoint

    return load_checkpoint(find_place(typed, results), image_size)


def describe_model(model: "Deployed") -> str:
    """The model in a line: what it is, how it wants its pictures, and what was left aside."""
    facts = model.facts
    names = {value: name for name, value in NORMALIZATIONS.items()}
    mean, std = (
        ", ".join(f"{one:.3g}" for one in of) for of in (facts.normalization.mean, facts.normalization.std)
    )
    size = f"{facts.image_size[0]}x{facts.image_size[1]}"
    normalized = f"normalised by {names.get(facts.normalization, 'its own')} (mean {mean}; deviation {std})"
    trained = [f"trained on {facts.training_data}"] if facts.training_data else []
    return ", ".join(
        [
            facts.kind,
            f"images of {size} {normalized}",
            f"descriptor {facts.descriptor}",
            *trained,
            *facts.notes,
        ]
    )


def find_place(typed: str, results: Path) -> Path:
    """The folder or file that was typed; UserError for an id of which nothing is recorded."""
    path = expand_home(typed)
    if path.exists() or not ID.fullmatch(typed):
        return path
    folder = results / "runs" / typed
    if not folder.is_dir():
        raise UserError(f"{results}: no run has the id {typed}; pivl-bench plan shows them")
    return folder
