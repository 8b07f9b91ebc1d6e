"""The method: CLIP-ReID and PI-VL, from pictures and part maps to a model and its scores.

Door: pivl.load for a trained model; pivl.recipe.Recipe, pivl.train.Trainer, pivl.evaluation; README.md beside this file
leads from equations to files.
Example: `Trainer(Recipe(part_text="label"), split, clip, seed=0, device=torch.device("cpu"), report=print)`
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pivl.deployment.model import Deployed


def load(run: "str | PathLike[str]") -> "Deployed":
    """Returns the trained model in the folder of a run, or in a file that export wrote; see pivl.deployment.loading."""
    from pivl.deployment.loading import load as load_model

    return load_model(run)
