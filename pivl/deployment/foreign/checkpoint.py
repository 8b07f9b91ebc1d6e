"""A model from any checkpoint: a run's folder or export, CLIP-ReID's, a CLIP, torchreid's or fast-reid's ResNet-50."""

from pathlib import Path

from pivl.deployment.foreign.clip_image import is_clip, load_clip_image
from pivl.deployment.foreign.clip_reid import is_clip_reid, load_clip_reid
from pivl.deployment.foreign.resnet50 import is_fast_reid, is_torchreid, load_fast_reid, load_torchreid
from pivl.deployment.loading import WEIGHTS, load
from pivl.deployment.model import Deployed
from pivl.errors import UserError
from pivl.towers.file_formats.foreign import describe_names
from pivl.towers.file_formats.weights_file import read_state

KINDS = {
    is_clip_reid: load_clip_reid,
    is_clip: load_clip_image,
    is_fast_reid: load_fast_reid,
    is_torchreid: load_torchreid,
}
ADVICE = "name a run's folder, CLIP-ReID's .pth, a CLIP, or torchreid's or fast-reid's ResNet-50"


def load_checkpoint(path: Path, image_size: tuple[int, int] | None = None) -> Deployed:
    """Returns the model, in evaluation mode on the CPU; image_size (height, width): where shapes do not tell it.

    Raises UserError, one line, for what is none of them, or does not fit.
    """
    if path.is_dir() or path.name == WEIGHTS or path.with_suffix(".json").exists():
        if image_size is not None:
            raise UserError(f"{path}: says itself how large its images are; leave the image size out")
        return load(path)
    state, _ = read_state(path)
    for matches, make in KINDS.items():
        if matches(state):
            return make(state, path, image_size)
    raise UserError(f"{path}: no model that is known but {describe_names(state, ADVICE)}")
