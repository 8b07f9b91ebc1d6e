"""A student's ImageNet weights from a file: MobileNetV2's in three key layouts, timm's networks in their own.

d-li14's, torchvision's and timm's MobileNetV2 have the same layers in the same order under other names (method.md 5).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pivl.errors import UserError
from pivl.system.files import write_atomically
from pivl.towers.file_formats.foreign import describe_names
from pivl.towers.file_formats.weights_file import read_state
from pivl.towers.student import MobileNetV2, StudentTower

State = dict[str, Tensor]
STAGES = (1, 2, 3, 4, 3, 3, 1)  # blocks of MobileNetV2 in each stage, 17 in all
COUNTER = "num_batches_tracked"  # of batch norm; not every file has it


def read_student(path: Path, tower: StudentTower, name: str) -> State:
    """Returns the tensors of a weights file under the names of `tower.net`, the student `name`; all of them but counters.

    What a file has besides, as a classifier, is left. Raises UserError, one line naming the file, where it cannot be
    read, is of another network, or has tensors missing or of another shape.
    """
    state, _ = read_state(path)
    renamed = _mobilenet_names(state) if isinstance(tower.net, MobileNetV2) else _timm_names(state, tower.net)
    expected = {key: value for key, value in tower.net.state_dict().items() if not key.endswith(COUNTER)}
    found = {key: renamed[key] for key in expected if key in renamed}
    if not found:
        what = describe_names(state, "name a file of it, from d-li14, torchvision or timm")
        raise UserError(f"{path}: no weights of {name} but {what}")
    faults = [f"{key} missing" for key in expected if key not in found]
    faults += [
        f"{key} {list(value.shape)} for {list(expected[key].shape)}"
        for key, value in found.items()
        if value.shape != expected[key].shape
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UserError(f"{path}: does not fit {name} ({faults[0]}{more}); use weights of this very network")
    return found


def save_student(path: Path, tower: StudentTower, note: str) -> None:
    """Write the network of a student as float16 safetensors under its own names; `note` (JSON) goes with it.

    The bytes depend on the arguments alone. UserError where the file cannot be written.
    """
    from safetensors.torch import save

    from pivl.towers.file_formats.weights_file import METADATA_KEY

    tensors = {
        key: value.detach().cpu().to(torch.float16).contiguous()
        for key, value in tower.net.state_dict().items()
        if not key.endswith(COUNTER)
    }
    content = save(tensors, {METADATA_KEY: note})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def _mobilenet_names(state: Mapping[str, Tensor]) -> State:
    """Returns the tensors under torchvision's names, whichever layout they come in; {} for another network's."""
    ours = list(_torchvision_layers())
    for layout in (ours, list(_dli_layers()), list(_timm_layers())):
        to_ours = dict(zip(layout, ours, strict=True))
        split = {key: key.rpartition(".") for key in state}
        if to_ours.keys() <= {layer for layer, _, _ in split.values()}:
            return {
                f"{to_ours[layer]}.{kind}": state[key]
                for key, (layer, _, kind) in split.items()
                if layer in to_ours
            }
    return {}


def _torchvision_layers() -> Iterator[str]:
    """Yields convolutions and batch norms in order, as torchvision names them."""
    yield from ("features.0.0", "features.0.1")
    yield from (f"features.1.conv.{layer}" for layer in ("0.0", "0.1", "1", "2"))
    for block in range(2, 18):
        yield from (f"features.{block}.conv.{layer}" for layer in ("0.0", "0.1", "1.0", "1.1", "2", "3"))
    yield from ("features.18.0", "features.18.1")


def _dli_layers() -> Iterator[str]:
    """Yields the same layers as d-li14's mobilenetv2.pytorch names them, whose activations count too."""
    yield from ("features.0.0", "features.0.1")
    yield from (f"features.1.conv.{layer}" for layer in (0, 1, 3, 4))
    for block in range(2, 18):
        yield from (f"features.{block}.conv.{layer}" for layer in (0, 1, 3, 4, 6, 7))
    yield from ("conv.0", "conv.1")


def _timm_layers() -> Iterator[str]:
    """Yields the same layers as timm names them."""
    yield from ("conv_stem", "bn1")
    yield from (f"blocks.0.0.{layer}" for layer in ("conv_dw", "bn1", "conv_pw", "bn2"))
    for stage, blocks in enumerate(STAGES[1:], 1):
        for block in range(blocks):
            layers = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
            yield from (f"blocks.{stage}.{block}.{layer}" for layer in layers)
    yield from ("conv_head", "bn2")


def _timm_names(state: Mapping[str, Tensor], net: nn.Module) -> State:
    """The tensors under the names of timm's feature extractor, which joins some names by "_" and may wrap the network."""
    given = {key.replace(".", "_"): value for key, value in state.items()}
    wanted = {
        key: key.removeprefix("net.").removeprefix("model.").replace(".", "_") for key in net.state_dict()
    }
    return {key: given[plain] for key, plain in wanted.items() if plain in given}
