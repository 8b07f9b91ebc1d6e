"""Weights from a file in the forms CLIPs come in: safetensors, a state dict, OpenAI's TorchScript."""

import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pivl.errors import UserError

METADATA_KEY = "pivl"  # one key holds all metadata as JSON: safetensors writes several in no fixed order
NOT_WHOLE = (RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError, zipfile.BadZipFile)
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # constants in OpenAI's archives


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a weights file, on the CPU, floating ones as float32, and its metadata ({} for none).

    The content decides, not the suffix, but for .safetensors. No pickled code is run: weights_only, or
    TorchScript. Raises UserError, one line naming the file, when it is absent, cut short or something else.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: no such weights file; check the path, or leave it out for the embedded weights"
        )
    try:
        if path.suffix == ".safetensors":
            state, metadata = _read_safetensors(path)
        else:
            state, metadata = _read_torch(path), {}
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); check the file and its rights"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path}: holds no state dict of tensors; name a .safetensors, .pt or .pth file")
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if name not in NOT_WEIGHTS
    }, metadata


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: not a whole safetensors file; copy or download it again") from error
    if not isinstance(metadata, dict):
        raise UserError(f"{path}: its metadata is not what pivl-bench writes; use a file without any")
    return state, metadata


def _read_torch(path: Path) -> Any:
    """What torch finds in a file: a state dict (or one under "state_dict"), or a TorchScript archive's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, and foreign pickles are warned about
            if _is_torchscript(path):
                return torch.jit.load(path, map_location="cpu").state_dict()
            content = torch.load(path, map_location="cpu", weights_only=True)
    except NOT_WHOLE as error:
        raise UserError(f"{path}: not whole weights that torch reads; copy or download it again") from error
    return content.get("state_dict", content) if isinstance(content, dict) else content


def _is_torchscript(path: Path) -> bool:
    """Whether a file is a zip archive with TorchScript code in it; plain torch.save archives have none."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())
