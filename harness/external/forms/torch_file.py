"""Descriptors in a .pt or .pth file of torch.save: a tensor beside a csv file, or tensors under the names in use.

Read as data; nothing is unpickled.
"""

from pathlib import Path

from torch import Tensor

from harness.external.described import Array, Described
from harness.external.forms.beside_csv import read_beside
from harness.external.request import Reading
from pivl.errors import Unreadable, UserError, explain
from pivl.towers.file_formats.tensors import View, find_view, load_views
from pivl.towers.file_formats.torch_files import NOT_WHOLE, TorchFile, open_torch

ADVICE = "save a tensor [N, D], or a dictionary of tensors, with torch.save"


def read_pt(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    try:
        with open_torch(path) as file:
            if file is None:
                raise ValueError("not a file of torch.save")
            arrays = _arrays(file)
    except UserError:
        raise
    except (*NOT_WHOLE, OSError) as error:
        raise Unreadable(path, explain(error, path), ADVICE) from error
    return read_beside(path, arrays, reading)


def _arrays(file: TorchFile) -> dict[str, Array]:
    """The tensors by name; a single one under the empty name."""
    content = file.content if isinstance(file.content, dict) else {"": file.content}
    views: dict[str, View] = {}
    for name, value in content.items():
        if isinstance(name, str) and (view := find_view(value)) is not None:
            if view.dtype is None:
                raise ValueError(f"numbers of an unknown kind, {view.storage.kind:.40}")
            views[name] = view
    if not views:
        raise ValueError("it holds no tensors")
    return {name: value.numpy() for name, value in load_views(views, file.load, _plain).items()}


def _plain(name: str, value: Tensor) -> Tensor:
    if value.is_complex() or value.is_quantized:
        raise ValueError(f"{name:.40} is complex or quantised")
    return value.float() if value.is_floating_point() else value
