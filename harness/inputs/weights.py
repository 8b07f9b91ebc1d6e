"""Resolves the initial weights of a CLIP: a file, the packaged weights, or OpenAI's."""

from pathlib import Path

from harness.inputs.backbones import find_backbone
from harness.inputs.spec import Inputs
from pivl.errors import UserError
from pivl.synthped.names import CLIP_WEIGHTS
from pivl.system.files import check_regular
from pivl.towers.clip_catalog import named_clips

OPENAI = "openai"


def find_weights(inputs: Inputs) -> Path | None:
    """The file that runs start from, None where OpenAI's are fetched; UserError where there is none."""
    if inputs.weights == OPENAI:
        clip = find_backbone(inputs.backbone).clip
        if clip is None or not named_clips()[clip].openai:
            raise UserError(f"--weights openai: {inputs.backbone} is none of OpenAI's; name a weights file")
        return None
    if inputs.weights is not None:
        path, advice = Path(inputs.weights), "check the path"
    elif inputs.backbone in CLIP_WEIGHTS:
        path, advice = CLIP_WEIGHTS[inputs.backbone], "pivl-bench pretrain --clip makes it in half an hour"
    else:
        raise UserError(
            f"{inputs.backbone}: name CLIP's weights with --weights: a file, or openai to have them downloaded"
        )
    check_regular(path, "weights file", advice)
    return path
