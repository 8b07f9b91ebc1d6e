"""Descriptors in a .mat file, as scipy.io.savemat and MATLAB up to version 7 write them: numbers and rows of texts.

Level 5 of the format, read here: scipy's own reader ends the process on some damaged files. An element is a type, a
length and as many bytes; a matrix is flags, shape, name and numbers; a file is matrices, each perhaps packed.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from harness.external.described import Array, Described
from harness.external.forms.named import read_named
from harness.external.request import Reading
from pivl.errors import Unreadable, explain
from pivl.system.files import read_bytes

LARGEST = 2**32  # bytes: MSMT17's 93,820 pictures at 2048 float32 are 0.8 GB
PACKED = 1032  # times that zlib shrinks at most
HEADER = 128  # bytes, the last two of which tell the order of bytes
MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, CHARACTERS = 1, 4  # classes of a matrix
NUMBERS = dict(enumerate(("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), 6))
COMPLEX = 0x800  # among the flags
ADVICE = "save it with scipy.io.savemat, or in MATLAB with save -v7"


def read_mat(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    try:
        content = read_bytes(path, LARGEST)
        arrays = dict(_matrices(content))
    except (OSError, ValueError, LookupError, OverflowError, MemoryError, struct.error, zlib.error) as error:
        raise Unreadable(path, explain(error, path), ADVICE) from error
    return read_named(path, arrays, reading)


@dataclass(frozen=True)
class Element:
    """A piece of a file: its type, and its bytes; `order` is < or > for the numbers in it."""

    kind: int
    data: memoryview
    order: str

    def within(self) -> Iterator["Element"]:
        """Yields the elements that it is made of."""
        yield from _elements(self.data, self.order)

    def numbers(self) -> Array:
        """The numbers of the element, as they are stored."""
        if self.kind not in TYPES:
            raise ValueError(f"numbers of type {self.kind}")
        return np.frombuffer(self.data, np.dtype(f"{self.order}{TYPES[self.kind]}"))


def _matrices(content: bytes) -> Iterator[tuple[str, Array]]:
    """Yields numbers and texts by name; matrices of other kinds are passed over."""
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None or content[HEADER - 4 : HEADER - 2] not in (b"\x00\x01", b"\x01\x00"):
        raise ValueError("no MAT file of level 5")
    left = PACKED * len(content)
    for element in _elements(memoryview(content)[HEADER:], order):
        if element.kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(element.data, min(left, LARGEST))
            left -= len(unpacked)
            (element,) = _elements(memoryview(unpacked), order)
        if element.kind == MATRIX:
            name, value = _matrix(element)
            if value is not None:
                yield name, value


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # a small one: type, length and at most four bytes in eight
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if size > 4:
                raise ValueError("a small element of many bytes")
        else:
            start = place + 8
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(data):
            raise ValueError("an element that reaches beyond the file")
        yield Element(kind, data[start : start + size], order)
        place = end


def _matrix(element: Element) -> tuple[str, Array | None]:
    """The name of a matrix, and its numbers or texts; None for other kinds, as structures."""
    flags, sides, named, *rest = element.within()
    flag = int(flags.numbers()[0])
    shape = tuple(int(side) for side in sides.numbers())
    name, kind = bytes(named.data).decode("ascii"), flag & 0xFF
    if min(shape, default=-1) < 0 or len(shape) < 2:
        raise ValueError(f"{name:.40} has no shape")
    if kind == CELL:
        return name, _cell(rest)
    if kind == CHARACTERS and rest:
        return name, _text(rest[0], shape)
    if kind not in NUMBERS or flag & COMPLEX or not rest:
        return name, None
    values = rest[0].numbers()
    if len(values) != prod(shape):
        raise ValueError(f"{name:.40} says {list(shape)} and has {len(values)} numbers")
    return name, values.reshape(shape, order="F").astype(NUMBERS[kind])


def _cell(members: list[Element]) -> Array | None:
    """The texts of a cell; None where it holds other things."""
    texts: list[str] = []
    for member in members:
        _, value = _matrix(member) if member.kind == MATRIX else ("", None)
        if value is None or value.dtype.kind != "U" or len(value) != 1:
            return None
        texts.append(str(value[0]))
    return np.array(texts)


def _text(element: Element, shape: tuple[int, ...]) -> Array:
    """[rows]: a text for each row of characters, without the blanks that fill it up."""
    if element.kind in TEXTS:
        letters = list(bytes(element.data).decode(TEXTS[element.kind] + {"<": "-le", ">": "-be"}[element.order]
                                                  * (element.kind > 16)))  # fmt: skip
    else:
        letters = list(map(chr, element.numbers().tolist()))
    if len(letters) != prod(shape):
        raise ValueError(f"{list(shape)} characters, of which there are {len(letters)}")
    rows = np.array(letters, dtype="U1").reshape(shape, order="F").reshape(shape[0], -1)
    return np.array(["".join(row).rstrip() for row in rows.tolist()], dtype=str)
