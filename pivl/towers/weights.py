"""A CLIP from its weights: OpenAI's names and shapes into two towers, positions resized to the token grid.

Positions are resized as CLIP-ReID does, bilinearly without antialiasing, and not as open_clip (method.md 1.8).
"""

import json
from dataclasses import asdict
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.errors import UserError
from pivl.system.files import write_atomically
from pivl.towers.architecture import HEAD_WIDTH, ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import INITIAL_LOGIT_SCALE, Clip, ImageInput, build_vision
from pivl.towers.clip_catalog import NamedClip
from pivl.towers.file_formats.foreign import describe_names
from pivl.towers.file_formats.weights_file import METADATA_KEY, read_state
from pivl.towers.text import TextTower
from pivl.towers.vocabulary import Vocabulary

State = dict[str, Tensor]

FAULTS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError, RuntimeError)
"""Of metadata or tensors that describe no CLIP."""
LARGEST_SIDE = 2**13  # pixels
POSITIONS = {"resnet": "visual.attnpool.positional_embedding", "vit": "visual.positional_embedding"}


def load_clip(path: Path, image_input: ImageInput | None = None) -> Clip:
    """Returns the CLIP in a weights file (`checkpoint.read_state`), in eval mode on the CPU.

    Architecture and vocabulary come from the file's metadata, else from the shapes of its tensors.
    `image_input` None takes the image size in the metadata, else 256 x 128. Raises
    UserError naming the file and the tensors that are missing, left over or of another shape.
    """
    state, metadata = read_state(path)
    return clip_from_state(state, metadata, str(path), image_input)


def download_clip(named: NamedClip, image_input: ImageInput) -> Clip:
    """OpenAI's weights of a CLIP that it published, fetched or from open_clip's cache, in eval mode.

    Needs the network once. Raises UserError without it (the hub's client gives up after about 45 s).
    """
    import open_clip

    source = f"OpenAI's {named.definition}"
    try:
        model = open_clip.create_model(named.definition, pretrained="openai", precision="fp32", device="cpu")
    except (OSError, RuntimeError) as error:
        raise UserError(f"cannot download {source}; get online, or name a weights file") from error
    return clip_from_state(dict(model.state_dict()), {}, source, image_input, named.architecture)


def save_clip(path: Path, clip: Clip, extra: dict[str, Any]) -> None:
    """Write a CLIP as float16 safetensors; the metadata (JSON) describes it and holds `extra`.

    The bytes depend on the arguments alone. Raises ValueError where a weight does not fit float16, UserError
    where the file cannot be written. `clip.logit_scale` and batch counters are kept whole.
    """
    from safetensors.torch import save

    tensors = {
        name: value.detach()
        .cpu()
        .to(torch.float16 if value.is_floating_point() else value.dtype)
        .contiguous()
        for name, value in {**_vision_state(clip.vision.net), **clip.text.net.state_dict()}.items()
    }
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise ValueError(f"{name} has values that are not finite in float16")
    tensors["logit_scale"] = torch.tensor(clip.logit_scale)
    metadata = {
        "architecture": asdict(clip.architecture),
        "image_size": clip.vision.image_size,
        "grid": clip.vision.grid,
        "vocabulary": clip.vocabulary.compact,
        "extra": extra,
    }
    content = save(tensors, {METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def clip_from_state(
    state: State,
    metadata: dict[str, Any],
    source: str,
    image_input: ImageInput | None,
    architecture: ClipArchitecture | None = None,
) -> Clip:
    """Returns the CLIP of a state dict with OpenAI's names (see load_clip); errors (UserError) call it `source`.

    `architecture` None is what metadata and tensors tell.
    """
    architecture = architecture or read_architecture(state, metadata, source)
    state = dict(state)
    try:
        image_input = image_input or ImageInput(_read_size(metadata))
        grid = tuple(metadata["grid"]) if "grid" in metadata else None
        compact = metadata.get("vocabulary")
        vocabulary = Vocabulary(None if compact is None else tuple(compact))
        scale = float(state.pop("logit_scale", INITIAL_LOGIT_SCALE))
        with torch.device("meta"):  # what does not fit takes no memory
            vision, text = build_vision(architecture.vision, image_input), TextTower(architecture.text)
        positions = POSITIONS[architecture.vision.kind]
        if positions in state:
            state[positions] = resize_positions(state[positions], grid, vision.grid, source)
    except FAULTS as error:
        raise _unclear(source, error) from error
    _check_fit(vision.net, text.net, state, source)
    vision, text = build_vision(architecture.vision, image_input), TextTower(architecture.text)
    _fill({**_vision_state(vision.net), **text.net.state_dict()}, state)
    return Clip(vision.eval(), text.eval(), vocabulary, scale)


def _read_size(metadata: dict[str, Any]) -> tuple[int, int]:
    height, width = metadata.get("image_size", (256, 128))
    if not all(type(side) is int and 0 < side <= LARGEST_SIDE for side in (height, width)):
        raise ValueError(f"no image is of {height} x {width}")
    return height, width


def read_architecture(state: State, metadata: dict[str, Any], source: str) -> ClipArchitecture:
    """Returns the architecture that the metadata tell, or else the tensors; errors (UserError) call the file `source`."""
    if "token_embedding.weight" not in state or not any(name in state for name in POSITIONS.values()):
        what = describe_names(state, "name a file with OpenAI's CLIP tensor names")
        raise UserError(f"{source}: not a CLIP's weights in OpenAI's names but {what}")
    try:
        if "architecture" not in metadata:
            return infer_architecture(state)
        vision, text = metadata["architecture"]["vision"], metadata["architecture"]["text"]
        layers = tuple(vision["layers"])
        if sum(layers) + text["layers"] > len(state):
            raise ValueError("more layers than tensors")
        return ClipArchitecture(VisionArchitecture(**{**vision, "layers": layers}), TextArchitecture(**text))
    except FAULTS as error:
        raise _unclear(source, error) from error


def infer_architecture(state: State) -> ClipArchitecture:
    """Returns the architecture of an OpenAI state dict as its tensors tell it (see as_seen). KeyError, ValueError."""
    context, text_width = state["positional_embedding"].shape
    embed_dim = state["text_projection"].shape[1]
    heads = max(text_width // HEAD_WIDTH, 1)
    vocabulary = state["token_embedding.weight"].shape[0]
    blocks = _count_blocks(state, "transformer.resblocks.")
    return ClipArchitecture(
        infer_vision(state), TextArchitecture(blocks, text_width, heads, embed_dim, context, vocabulary)
    )


def infer_vision(state: State) -> VisionArchitecture:
    """Returns the image tower of an OpenAI state dict, without which it may stand alone. KeyError, ValueError."""
    if POSITIONS["vit"] in state:
        width, _, patch, _ = state["visual.conv1.weight"].shape
        depth = _count_blocks(state, "visual.transformer.resblocks.")
        hidden = state["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
        embed_dim = state["visual.proj"].shape[1]
        return VisionArchitecture(
            "vit", (depth,), width, max(width // HEAD_WIDTH, 1), embed_dim, patch, hidden
        )
    width = state["visual.layer1.0.conv1.weight"].shape[0]
    layers = tuple(_count_blocks(state, f"visual.layer{stage}.") for stage in (1, 2, 3, 4))
    embed_dim = state["visual.attnpool.c_proj.weight"].shape[0]
    return VisionArchitecture("resnet", layers, width, max(width * 32 // HEAD_WIDTH, 1), embed_dim)


def _count_blocks(state: State, prefix: str) -> int:
    return len({name[len(prefix) :].partition(".")[0] for name in state if name.startswith(prefix)})


def resize_positions(
    positions: Tensor, grid: tuple[int, ...] | None, target: tuple[int, int], source: str = "weights"
) -> Tensor:
    """Positions [1 + h*w, C] of a `grid` (None: square) resized bilinearly to `target`, class token kept.

    Raises UserError for positions that belong to no such grid.
    """
    cells = len(positions) - 1
    rows, columns = grid or (isqrt(cells), isqrt(cells))
    if rows * columns != cells or positions.ndim != 2:
        raise UserError(
            f"{source}: {cells} positions are no {rows}x{columns} grid; use weights with a square one"
        )
    if (rows, columns) == target:
        return positions
    on_grid = positions[1:].T.reshape(1, -1, rows, columns)
    resized = F.interpolate(on_grid, size=target, mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], resized.flatten(2)[0].T])


def _vision_state(net: nn.Module) -> State:
    return {f"visual.{name}": value for name, value in net.state_dict().items()}


def _check_fit(vision: nn.Module, text: nn.Module, state: State, source: str) -> None:
    """Raise UserError unless `state` has every tensor of both towers, and no other; batch counters may be absent."""
    expected = {**_vision_state(vision), **text.state_dict()}
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    faults = {
        "missing": sorted(expected.keys() - state.keys() - counters),
        "left over": sorted(state.keys() - expected.keys()),
        "of another shape": sorted(
            f"{name} {list(state[name].shape)} for {list(expected[name].shape)}"
            for name in expected.keys() & state.keys()
            if state[name].shape != expected[name].shape
        ),
    }
    described = [
        f"{len(names)} {fault} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for fault, names in faults.items()
        if names
    ]
    if described:
        raise UserError(
            f"{source}: tensors do not fit this CLIP: {'; '.join(described)}; use the weights it was made for"
        )


def _fill(towers: State, state: State) -> None:
    """Copy `state` into the tensors of both towers."""
    with torch.no_grad():
        for name in towers.keys() & state.keys():
            towers[name].copy_(state[name])


def _unclear(source: str, error: Exception) -> UserError:
    return UserError(f"{source}: its CLIP cannot be made out ({error}); use weights of OpenAI's form")
