"""What files of torch.save and TorchScript hold, as data: no code of theirs runs.

Three layouts: the zip archive of torch.save, the older row of pickles, and TorchScript's archive, whose classes are
text that says which attributes are parameters and buffers.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pivl.system.files import open_regular
from pivl.towers.file_formats.pickled import Made, Named, read_pickle
from pivl.towers.file_formats.tensors import Storage, find_storage

ZIP = b"PK\x03\x04"
LEGACY = b"l\xfc\x9cF\xf9 j\xa8P\x19."  # the number that the older layout begins with, as its pickle ends
NOT_WHOLE = (
    ValueError, LookupError, TypeError, EOFError, NotImplementedError, RuntimeError, OverflowError, MemoryError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
PIECE = 2**24  # bytes that are read at a time
MOST_PACKED = 64  # times that a compressed storage may grow
LARGEST_PICKLE, LARGEST_CODE = 2**28, 2**26  # bytes; RN50's have 0.1 and 0.3 MB
MOST_MODULES, LONGEST_NAME = 100_000, 1000
CLASS = re.compile(r"class (\w+)\(Module\):")
ATTRIBUTES = re.compile(r"  __(?:parameters|buffers)__ = \[(.*)\]")

Classes = Mapping[str, frozenset[str]]
"""The modules of a TorchScript archive by their names, and which attributes of each are parameters or buffers."""


@dataclass(frozen=True)
class TorchFile:
    """What a file holds: its object as `read_pickle` gives it, the bytes of a storage, and TorchScript's classes."""

    content: Any
    load: Callable[[Storage], Tensor]
    classes: Classes | None = None


class NotPlain(Exception):
    """A module whose tensors only code of its own can tell; its class."""


@contextmanager
def open_torch(path: Path) -> Iterator[TorchFile | None]:
    """Yields the content of a file of torch while it is open; None for a file, or a zip archive, of another kind.

    Raises OSError for what is no regular file, NOT_WHOLE for one that is cut or damaged.
    """
    with _Bounded(path) as file:
        beginning = file.read(64)
        file.seek(0)
        if beginning.startswith(ZIP):
            with zipfile.ZipFile(file) as archive:
                yield _open_archive(archive)
        else:
            yield _open_legacy(file) if LEGACY in beginning else None


def is_whole_script(path: Path) -> bool:
    """Returns whether a file is an archive with code in it, every entry as its checksum says. Raises OSError."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return any("/code/" in name for name in archive.namelist()) and archive.testzip() is None
    except NOT_WHOLE:
        return False


def _open_archive(archive: zipfile.ZipFile) -> TorchFile | None:
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.partition("/")[0] for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(roots) != 1:
        return None
    root = roots[0]
    order = entries.get(f"{root}/byteorder")
    if order is not None and _read(archive, order, 16) != b"little":
        raise ValueError("numbers in another order of bytes")
    content = read_pickle(_read(archive, entries[f"{root}/data.pkl"], LARGEST_PICKLE), find_storage)
    code = [name for name in entries if name.startswith(f"{root}/code/")]
    classes = _read_classes(archive, [entries[name] for name in code], f"{root}/code/") if code else None
    return TorchFile(
        content,
        lambda storage: _read_storage(archive, entries[f"{root}/data/{storage.key}"], storage),
        classes,
    )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    if entry.file_size > most:
        raise ValueError(f"{entry.filename} of absurd size")
    with _open(archive, entry) as file:
        return file.read()


def _open(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    if entry.CRC == 0 and entry.file_size:
        del (
            entry.CRC
        )  # torch.serialization.set_crc32_options(False) leaves it out, and then nothing is checked
    return archive.open(entry)


def _read_storage(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, storage: Storage) -> Tensor:
    if entry.file_size != storage.nbytes or storage.nbytes > MOST_PACKED * entry.compress_size + PIECE:
        raise ValueError("a storage of another size, or of an absurd one")
    with _open(archive, entry) as file:
        return _fill(file, storage.nbytes)


def _fill(file: Any, nbytes: int) -> Tensor:
    """Returns the next `nbytes` of a file, uint8 [nbytes]. EOFError where there are fewer."""
    stored = np.empty(nbytes, np.uint8)
    place = stored.data
    at = 0
    while at < nbytes:
        piece = file.read(min(PIECE, nbytes - at))
        if not piece:
            raise EOFError("a file that ends too soon")
        place[at : at + len(piece)] = piece
        at += len(piece)
    return torch.from_numpy(stored)


def _read_classes(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], below: str) -> Classes:
    sources = [entry for entry in entries if entry.filename.endswith(".py")]
    if sum(entry.file_size for entry in sources) > LARGEST_CODE:
        raise ValueError("code of absurd size")
    classes: dict[str, frozenset[str]] = {}
    for entry in sources:
        module = entry.filename.removeprefix(below).removesuffix(".py").replace("/", ".")
        name = ""
        for line in _read(archive, entry, LARGEST_CODE).decode().splitlines():
            if line.startswith("class "):
                found = CLASS.fullmatch(line)
                name = f"{module}.{found[1]}" if found else ""
                classes |= {name: frozenset()} if found else {}
            elif name and (found := ATTRIBUTES.fullmatch(line)):
                classes[name] |= frozenset(re.findall(r'"([^"]*)"', found[1]))
    return classes


class _Bounded(io.BufferedReader):
    """A file that never reads beyond its end, whatever length a pickle claims."""

    def __init__(self, path: Path) -> None:
        super().__init__(open_regular(path).detach())
        self.end = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.end - self.tell()
        return super().read(left if size is None or size < 0 else min(size, left))

    def readline(self, size: int | None = -1, /) -> bytes:
        return super().readline(PIECE)


def _open_legacy(file: _Bounded) -> TorchFile:
    """The older layout: number, protocol, system, object and keys as pickles, then each storage, its count before it."""
    stored: dict[str, Storage] = {}

    def remember(persistent_id: Any) -> Storage | Named:
        found = find_storage(persistent_id)
        return stored.setdefault(found.key, found) if isinstance(found, Storage) else found

    for _ in ("number", "protocol"):
        read_pickle(file, find_storage)
    system = read_pickle(file, find_storage)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("numbers in another order of bytes")
    content = read_pickle(file, remember)
    keys = read_pickle(file, find_storage)
    places: dict[str, int] = {}
    place = file.tell()
    for key in keys:
        places[key] = place + 8
        place += 8 + stored[key].nbytes
    if place > file.end:
        raise EOFError("a file that ends too soon")

    def load(storage: Storage) -> Tensor:
        file.seek(places[storage.key] - 8)
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise ValueError("a storage of another size")
        return _fill(file, storage.nbytes)

    return TorchFile(content, load)


def find_attributes(module: Any, classes: Classes) -> dict[str, Made]:
    """Returns the parameters and buffers below a TorchScript module by their dotted names.

    Raises NotPlain for a module that code of its own would restore, ValueError for what is no module.
    """
    found: dict[str, Made] = {}
    waiting, seen = [("", module)], 0
    while waiting:
        prefix, value = waiting.pop()
        seen += 1
        if (
            not isinstance(value, Made)
            or value.of not in classes
            or seen > MOST_MODULES
            or len(prefix) > LONGEST_NAME
        ):
            raise ValueError("no module, or one within itself")
        if not isinstance(value.state, dict):
            raise NotPlain(value.of)
        for name, attribute in value.state.items():
            if isinstance(attribute, Made) and attribute.of in classes:
                waiting.append((f"{prefix}{name}.", attribute))
            elif name in classes[value.of] and isinstance(attribute, Made):
                found[f"{prefix}{name}"] = attribute
    return found
