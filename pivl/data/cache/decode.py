"""A data set's pictures and part maps at the training size, decoded once by all cores into the user's cache.

A file of the cache is one array of bytes, read through a memory map: what is not looked at takes no memory, and the
system may drop what was (MSMT17 at 256 x 128: 12.4 GB). Its name holds a hash of the files it was made of. Its length
and header are checked when it is opened; a checksum over all of it would cost every run a reading of the whole file.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from pivl.data.benchmarks import SetName
from pivl.data.cache.digests import Report
from pivl.data.cache.folder import cache_folder, check_room, one_at_a_time
from pivl.data.cache.memory_map import open_mapped, write_header
from pivl.data.cache.pixels import RESAMPLING, write_pictures
from pivl.data.listing import Listing, hash_lines
from pivl.data.part_maps.confidence import confidence_lines, write_confidence
from pivl.data.part_maps.files import MapFiles, write_maps
from pivl.system.files import write_atomically
from pivl.system.parallel import cores, spread

VERSION = "2"  # of the decoding: raised whenever the same files would give other pixels
NAME = 64  # bytes of a data set's name in that of a file
JOB = 480  # pictures per job: enough to spread its fixed cost, few enough for progress and for sharing among cores
JOBS_PER_WORKER = 4  # at least: fewer are done before a process has started, which takes seconds


@dataclass(frozen=True)
class CacheFile:
    """An array uint8 of `shape` to be kept at `path`: write(target, offset, some sources, *arguments) fills a part."""

    path: Path
    shape: tuple[int, ...]
    sources: Sequence[Any]
    write: Callable[..., int]
    arguments: tuple[Any, ...]


def plan_pictures(
    listing: Listing, which: SetName, size: tuple[int, int], version: str = VERSION
) -> CacheFile:
    """Returns the decoded pictures of a set, uint8 [N, 3, H, W] (RGB), in the order of its entries."""
    resampling, entries = RESAMPLING[which], listing.entries[which]
    digest = hash_lines([(version, resampling.name), *((entry.name, entry.digest) for entry in entries)])
    path = _place(listing, which, size, digest)
    return CacheFile(path, (len(entries), 3, *size), listing.paths(which), write_pictures, (size, resampling))


def plan_maps(listing: Listing, maps: MapFiles, size: tuple[int, int], version: str = VERSION) -> CacheFile:
    """Returns the part maps of the training set, uint8 [N, H, W], in the order of its entries."""
    entries = ((entry.name, entry.digest) for entry in listing.entries["train"])
    digest = hash_lines([(version,), *entries, *maps.lines(listing)])
    path = _place(listing, "part-maps", size, digest)
    sources = maps.sources(listing)
    return CacheFile(path, (len(sources), *size), sources, write_maps, (size, maps.labels))


def plan_confidence(
    listing: Listing, maps: MapFiles, size: tuple[int, int], version: str = VERSION
) -> CacheFile:
    """Returns the confidence of those part maps, uint8 [N, H, W] in 255ths, in the same order."""
    digest = hash_lines([(version,), *maps.lines(listing), *confidence_lines(maps)])
    path = _place(listing, "confidence", size, digest)
    sources = [file for _, file in maps.sources(listing)]
    return CacheFile(path, (len(sources), *size), sources, write_confidence, (size,))


def _place(listing: Listing, what: str, size: tuple[int, int], digest: str) -> Path:
    """Returns where an array is kept; a csv file's name may be as long as names go, which leaves no room for more."""
    name = os.fsencode(listing.name)[:NAME].decode(errors="ignore")
    return cache_folder() / f"{name}-{what}-{size[0]}x{size[1]}-{digest}.npy"


def decode(files: Sequence[CacheFile], report: Report | None = None) -> list[Tensor]:
    """Make what is not in the cache yet, and open all; the tensors lie over files and must not be written to.

    Several processes may ask at once: one makes a file, the others wait for it. Raises UserError when a picture or map
    cannot be read, and when the cache folder cannot be written or has no space, which is said before any work.
    """
    lacking = [file for file in files if open_mapped(file.path, file.shape) is None]
    for file in lacking:
        if os.path.lexists(file.path):
            print(f"pivl-bench: {file.path} is cut or damaged; making it again", file=sys.stderr)
    if lacking:
        check_room(cache_folder(), sum(prod(file.shape) for file in lacking))
    done, total = 0, sum(len(file.sources) for file in lacking)
    for file in lacking:
        with one_at_a_time(file.path, f"making {file.path.name}"):
            if open_mapped(file.path, file.shape) is None:
                _make(file, report, done, total)
        done += len(file.sources)
    tensors = [open_mapped(file.path, file.shape) for file in files]
    assert all(tensor is not None for tensor in tensors)
    return [tensor for tensor in tensors if tensor is not None]


def _make(file: CacheFile, report: Report | None, done: int, total: int) -> None:
    """Fill the file by jobs that write to places of their own; `done` of `total` sources were done before."""
    starts = range(0, len(file.sources), JOB)

    def write(target: Path) -> None:
        offset = write_header(target, file.shape)
        step, made = prod(file.shape[1:]), 0
        jobs = [
            (target, offset + start * step, file.sources[start : start + JOB], *file.arguments)
            for start in starts
        ]
        for _, count in spread(file.write, jobs, min(cores(), len(jobs) // JOBS_PER_WORKER)):
            made += count
            if report:
                report(done + made, total)

    write_atomically(file.path, write)
