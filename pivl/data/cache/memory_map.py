"""Tensors that lie over files: what is not looked at takes no memory, and what was can be let go of.

The system counts every page that was read as memory of the process until it needs it, so a reader of a whole gallery
would look as large as the gallery; `release` after each batch keeps it small.
"""

import mmap
import os
import warnings
from math import prod
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from pivl.system.files import open_regular

_maps: WeakValueDictionary[int, mmap.mmap] = (
    WeakValueDictionary()
)  # by address, while a tensor lies over them


def write_header(path: Path, shape: tuple[int, ...]) -> int:
    """Make `path` a .npy file of uint8 zeros in `shape`; returns the byte at which they begin."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        offset = file.tell()
        file.truncate(offset + prod(shape))
    return offset


def open_mapped(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """The uint8 array of a .npy file, not to be written to, or None if it is not there whole in that `shape`; no link."""
    try:
        with open_regular(path, os.O_NOFOLLOW) as file:
            np.lib.format.read_magic(file)
            found, fortran_order, kind = np.lib.format.read_array_header_1_0(file)
            offset = file.tell()
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except Exception:  # numpy's parser of headers raises what Python's does; what it cannot read is not whole
        return None
    if found != shape or fortran_order or kind != np.uint8 or len(pages) != offset + prod(shape):
        return None
    array = np.frombuffer(pages, np.uint8, offset=offset).reshape(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the tensor is read-only is meant
        tensor = torch.from_numpy(array)
    _maps[tensor.untyped_storage().data_ptr()] = pages
    return tensor


def release(tensor: Tensor) -> None:
    """Let go of the pages of a mapped tensor, or of a part of one, that were read; others are left as they are.

    They come back from the file, or from the system's memory of it, when they are next looked at.
    """
    pages = _maps.get(tensor.untyped_storage().data_ptr())
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
