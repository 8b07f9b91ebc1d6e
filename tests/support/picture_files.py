"""Picture files written byte by byte, and what a file stores that a tag of EXIF turns."""

import struct
import zlib

TURNED = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.swapaxes(0, 1),
    6: lambda seen: seen.swapaxes(0, 1)[::-1],
    7: lambda seen: seen[::-1, ::-1].swapaxes(0, 1),
    8: lambda seen: seen.swapaxes(0, 1)[:, ::-1],
}  # what a file stores so that a tag shows `seen`: the first row and column lie where EXIF's table of the tag says


def png(width: int, height: int, depth: int, kind: int, rows: bytes = b"") -> bytes:
    """A PNG of one's own."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
    }
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in {**chunks, b"IEND": b""}.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
