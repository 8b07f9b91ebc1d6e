"""Arrays in .npy and .npz files of strangers: sizes are held to the file's before memory is taken, nothing is unpickled.

A header is a few letters and may claim any shape; numpy takes the memory first and looks at the file afterwards.
"""

import os
import warnings
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pivl.errors import Unreadable, explain
from pivl.system.files import open_regular

LIMIT = 2**31  # bytes of an array; a whole file of figures has thousands
DEFLATED = 1032  # bytes that one byte of a zip file can become, at most
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # which numpy writes
ADVICE = "write it again"


def read_array(path: Path, limit: int = LIMIT, advice: str = ADVICE) -> NDArray[Any]:
    """The array of a .npy file of at most `limit` bytes. Raises Unreadable, a UserError, if it is anything else."""
    try:
        with open_regular(path) as file:
            return _read(file, os.fstat(file.fileno()).st_size, limit)
    except (
        Exception
    ) as error:  # numpy's parser of headers raises what Python's does: SyntaxError, TokenError, ...
        raise Unreadable(path, explain(error, path), advice) from error


def read_arrays(path: Path, limit: int = LIMIT, advice: str = ADVICE) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a .npz file by name, at most `limit` bytes together; raises Unreadable as read_array does."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _read_members(archive, os.fstat(file.fileno()).st_size, limit)
    except Exception as error:
        raise Unreadable(path, explain(error, path), advice) from error


def _read_members(archive: zipfile.ZipFile, size: int, limit: int) -> dict[str, NDArray[Any]]:
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two arrays of one name")
    arrays = {}
    for member in members:
        if member.compress_type not in METHODS or member.file_size > DEFLATED * min(
            member.compress_size, size
        ):
            raise ValueError(f"{member.filename} is not packed as numpy packs it")
        with archive.open(member) as stream:
            array = _read(stream, member.file_size, limit)
        limit -= array.nbytes
        arrays[member.filename.removesuffix(".npy")] = array
    return arrays


def _read(stream: IO[bytes], size: int, limit: int) -> NDArray[Any]:
    """Returns the array of a seekable stream in .npy's form, `size` bytes long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of old versions, which are read as they always were
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"version {version} of the format is not known")
        shape, _, kind = HEADERS[version](stream)
        count = prod(shape)
        if kind.hasobject:
            raise ValueError("it holds Python objects")
        if min(shape, default=1) < 0 or stream.tell() + count * kind.itemsize != size:
            raise ValueError(f"its header says {kind} {shape}, which is not the {size} bytes that are there")
        if count * max(kind.itemsize, 1) > limit:
            raise ValueError(f"{kind} {shape} is more than the {limit / 1e6:.0f} MB that are read")
        stream.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
