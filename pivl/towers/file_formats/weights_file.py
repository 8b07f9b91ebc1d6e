"""Weights from a file in the forms they come in: safetensors, torch.save's state dicts, OpenAI's TorchScript.

All are read as data. No code of a file runs, neither pickled nor scripted.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pivl.errors import UserError
from pivl.system.files import check_regular, open_regular
from pivl.towers.file_formats.foreign import (
    AGAIN,
    LOOKED_AT,
    SAVE,
    describe_archive,
    describe_bytes,
    names_in,
)
from pivl.towers.file_formats.state import dense, find_state, unwrap
from pivl.towers.file_formats.tensors import load_views
from pivl.towers.file_formats.torch_files import (
    NOT_WHOLE,
    ZIP,
    NotPlain,
    TorchFile,
    find_attributes,
    open_torch,
)

METADATA_KEY = "pivl"  # one key holds all metadata as JSON: safetensors writes several in no fixed order
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # constants in OpenAI's archives
LONGEST_NAME = 500


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the tensors of a weights file, on the CPU, floating ones as float32, and its metadata ({} for none).

    The content decides, not the suffix. A state dict within a checkpoint is found there, and a prefix that all names
    share, as `module.`, is left out. Raises UserError, one line naming the file, when it is absent, cut short or
    something else (it says what), and when a tensor holds numbers that are not finite.
    """
    try:
        check_regular(path, "weights file", "check the path, or leave it out for the embedded weights")
        with open_regular(path) as file:
            beginning = file.read(LOOKED_AT)
        if _is_safetensors(path, beginning):
            state, metadata = _read_safetensors(path)
        else:
            state, metadata = _read_torch(path, beginning), {}
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); check the file and its rights"
        ) from error
    return unwrap({name: value for name, value in state.items() if name not in NOT_WEIGHTS}), metadata


def _is_safetensors(path: Path, beginning: bytes) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, and this; or else is only called so."""
    length = int.from_bytes(beginning[:8], "little")
    if beginning[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return True
    return (
        path.suffix == ".safetensors"
        and "damaged" in describe_bytes(beginning)
        and not beginning.startswith(ZIP)
    )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: _finished(path, name, file.get_tensor(name).clone()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, *NOT_WHOLE) as error:
        raise UserError(f"{path}: not a whole safetensors file; {AGAIN}") from error
    if not isinstance(metadata, dict):
        raise UserError(f"{path}: its metadata is not what pivl-bench writes; use a file without any")
    return state, metadata


def _read_torch(path: Path, beginning: bytes) -> dict[str, Tensor]:
    """Returns the tensors of the state dict, or of the TorchScript archive, that torch wrote."""
    try:
        with open_torch(path) as found:
            if found is not None:
                return _load(path, found)
    except NotPlain as error:
        raise UserError(f"{path}: its {error} restores itself by code, which is not run; {SAVE}") from error
    except NOT_WHOLE as error:
        raise UserError(f"{path}: not whole weights that torch writes; {AGAIN}") from error
    names = names_in(path) if beginning.startswith(ZIP) else None
    what = describe_bytes(beginning) if names is None else describe_archive(names)
    raise UserError(f"{path}: not whole weights but {what}")


def _load(path: Path, file: TorchFile) -> dict[str, Tensor]:
    if file.classes is None:
        views = find_state(file.content, str(path))
    else:
        views = {
            name: dense(name, tensor, str(path))
            for name, tensor in find_attributes(file.content, file.classes).items()
        }
    for name, view in views.items():
        if view.dtype is None:
            raise UserError(
                f"{path}: {name:.200} has numbers of an unknown kind ({view.storage.kind:.60}); save it as float"
            )
    return load_views(views, file.load, lambda name, value: _finished(path, name, value))


def _finished(path: Path, name: str, value: Tensor) -> Tensor:
    """A tensor as a network takes it; UserError for a name that is none, and for numbers that no network can have."""
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise UserError(f"{path}: has a tensor of an odd name ({name!a:.60}); {AGAIN}")
    if value.is_complex() or value.is_quantized:
        raise UserError(
            f"{path}: {name} has {'complex' if value.is_complex() else 'quantised'} numbers; save it as float"
        )
    if not value.is_floating_point():
        return value
    value = value.to(torch.float32)
    if value.numel() and not bool(torch.stack(value.aminmax()).isfinite().all()):
        raise UserError(
            f"{path}: {name} holds numbers that are not finite (NaN or infinity); use weights without"
        )
    return value
