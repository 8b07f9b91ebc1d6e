"""Damaged copies of a file, for readers that promise one clear line or a right reading whatever they are given."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pivl.errors import UserError
from pivl.system.processes import peak_resident_bytes

QUICK, MANY = 100, 2000
COUNTS = pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)])
"""Decorates a property test with its argument `count`: 100 mutants in the quick suite, 2,000 in the slow one."""

SECONDS = 20.0  # of processor time that one reading may take; it takes milliseconds
BYTES = 2**30  # by which all readings of a test may raise the peak of memory
FOREIGN = (
    b"", b"\0", b"\0" * 64, b"\xff" * 64, b"<!DOCTYPE html><html><body>404: not found</body></html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n",
    b"\x93NUMPY\x01\x00v\x00", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xff\xd8\xff\xe0", b"{" * 5000, b"[" * 100_000,
    b"1" * 5000, b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"\xef\xbb\xbf", b"\r\n\r\n",
)  # fmt: skip
HUGE = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0, 1, 2**40)


def mutants(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` damaged copies of `content`: flipped, cut, padded, shuffled, foreign, and with absurd numbers in it."""
    draw = random.Random(seed)
    for number in range(count):
        yield FOREIGN[number] if number < len(FOREIGN) else _mutate(content, draw)


def _mutate(content: bytes, draw: random.Random) -> bytes:
    data, size = bytearray(content), len(content)
    if not size:
        return draw.randbytes(8)
    place = (
        draw.randrange(min(size, 512)) if draw.random() < 0.5 else draw.randrange(size)
    )  # headers half of the time
    match draw.randrange(8):
        case 0:
            for _ in range(draw.choice((1, 1, 2, 8))):
                data[draw.randrange(size)] ^= 1 << draw.randrange(8)
        case 1:
            data[place] ^= 1 << draw.randrange(8)
        case 2:
            del data[place:]
        case 3:
            del data[place : place + draw.choice((1, 2, 16, 256))]
        case 4:
            data[place:place] = draw.randbytes(draw.choice((1, 4, 64)))
        case 5:
            data += draw.choice((b"\0", draw.randbytes(100), bytes(content)))
        case 6:
            length = draw.choice((1, 2, 4, 8))
            order = draw.choice(("little", "big"))
            data[place : place + length] = (draw.choice(HUGE) % 2 ** (8 * length)).to_bytes(length, order)
        case _:
            piece = draw.choice(FOREIGN)[: draw.choice((1, 4, 64, 6000))]
            data[place : place + len(piece)] = piece
    return bytes(data)


def check_reader(
    path: Path, content: bytes, read: Callable[[Path], object], count: int, names: str | None = None
) -> int:
    """Let `read` have `count` mutants of `content` at `path`, each in the place of the one before.

    Each is read rightly (whatever `read` returns; it may raise AssertionError itself) or refused by a UserError of one
    line that names the file, or `names`. Returns how many were refused; the slowest reading and the rise of the peak
    of memory are held to SECONDS and BYTES and printed.
    """
    refused, slowest, before = 0, 0.0, peak_resident_bytes()
    for number, mutant in enumerate(mutants(content, count)):
        path.unlink(missing_ok=True)
        path.write_bytes(mutant)
        began = time.process_time()
        try:
            read(path)
        except UserError as error:
            refused += 1
            said = str(error)
            assert "\n" not in said, f"mutant {number}: {said!r}"
            assert (names or path.name) in said, f"mutant {number} does not name the file: {said!r}"
        except AssertionError:
            raise
        except BaseException as error:
            kept = path.with_name(f"mutant-{number}{path.suffix}")
            with suppress(OSError):
                kept.write_bytes(mutant)
            raise AssertionError(f"mutant {number} ({kept}): {type(error).__name__}: {error}") from error
        slowest = max(slowest, time.process_time() - began)
        assert slowest < SECONDS, f"mutant {number} took {slowest:.1f} s"
    rise = peak_resident_bytes() - before
    print(f"{path.name}: {refused} of {count} refused, slowest {slowest:.2f} s, peak +{rise / 2**20:.0f} MB")
    assert rise < BYTES, f"reading mutants of {path.name} took {rise / 2**20:.0f} MB"
    return refused
