"""Data sets and caches as they were named until the bytes of files were hashed: by names and sizes.

Results and decoded pixels of then are found by these names. That they agree proves nothing: `compare` decodes again.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from pivl.data.benchmarks import SETS
from pivl.data.cache.decode import JOBS_PER_WORKER, CacheFile, plan_confidence, plan_maps, plan_pictures
from pivl.data.cache.digests import Report
from pivl.data.cache.memory_map import open_mapped
from pivl.data.cache.pixels import write_pictures
from pivl.data.listing import Listing
from pivl.data.part_maps.files import MapFiles
from pivl.data.picture_file import is_converted
from pivl.system.parallel import cores, spread

VERSION = "1"  # of the decoding then
Renamed = tuple[CacheFile, CacheFile]  # as it was named, and as it is
JOB = 64  # pictures that are decoded and compared at a time


def list_by_size(listing: Listing) -> Listing:
    """Returns the listing with the size of each picture in the place of its digest."""
    entries = {
        which: tuple(replace(entry, digest=str(entry.bytes)) for entry in listing.entries[which])
        for which in SETS
    }
    return replace(listing, entries=entries)


def map_by_size(maps: MapFiles) -> MapFiles:
    """Returns the part maps with the size of each in the place of its digest, and so of their confidence."""
    found = tuple(file and replace(file, digest=str(file.bytes)) for file in maps.found)
    return replace(maps, found=found, identify=_sizes)


def picture_caches(listing: Listing, size: tuple[int, int]) -> list[Renamed]:
    """Returns where the decoded pictures of each set were kept, and where they are now."""
    before = list_by_size(listing)
    return [
        (plan_pictures(before, which, size, VERSION), plan_pictures(listing, which, size)) for which in SETS
    ]


def map_caches(listing: Listing, maps: MapFiles, confidence: bool, size: tuple[int, int]) -> list[Renamed]:
    """Returns the same of the part maps and, if wanted, their confidence."""
    before, maps_before = list_by_size(listing), map_by_size(maps)
    plans = [plan_maps, *([plan_confidence] if confidence else [])]
    return [(plan(before, maps_before, size, VERSION), plan(listing, maps, size)) for plan in plans]


@dataclass(frozen=True)
class Compared:
    """Which of the caches of before hold what their files are decoded to now, and which hold something else.

    converted: pictures that were read otherwise then, and whose cache is gone, which would say so.
    """

    same: tuple[Path, ...]
    other: tuple[Path, ...]
    converted: tuple[Path, ...]


def compare(caches: Sequence[Renamed], report: Report | None = None) -> Compared:
    """Decode again what lies in caches of before, and give those that hold the same their new names too.

    Raises UserError where a picture, a map or its confidence cannot be read.
    """
    same: list[Path] = []
    other: list[Path] = []
    converted: list[Path] = []
    for before, now in caches:
        if open_mapped(before.path, before.shape) is None:
            converted += _find_converted(before)
            continue
        if not _holds(before, report):
            other.append(before.path)
            continue
        same.append(before.path)
        with suppress(OSError):  # it is there already, or else is decoded once more
            os.link(before.path, now.path)
    return Compared(tuple(same), tuple(other), tuple(converted))


def _find_converted(file: CacheFile) -> list[Path]:
    """Returns the pictures among the sources of a file that were read otherwise; maps and confidence never were."""
    if file.write is not write_pictures:
        return []
    jobs = [(file.sources[start : start + JOB],) for start in range(0, len(file.sources), JOB)]
    found = spread(_converted, jobs, min(cores(), len(jobs) // JOBS_PER_WORKER))
    return sorted(path for _, some in found for path in some)


def _converted(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if is_converted(path)]


def _holds(file: CacheFile, report: Report | None) -> bool:
    """Returns whether the array of the file is what its sources are decoded to now."""
    step = prod(file.shape[1:])
    offset = file.path.stat().st_size - prod(file.shape)
    jobs = [
        (file, slice(start, start + JOB), offset + start * step, step)
        for start in range(0, file.shape[0], JOB)
    ]
    same, done = True, 0
    for _, (equal, count) in spread(_compare, jobs, min(cores(), len(jobs) // JOBS_PER_WORKER)):
        same, done = same and equal, done + count
        if report:
            report(done, file.shape[0])
    return same


def _compare(file: CacheFile, which: slice, offset: int, step: int) -> tuple[bool, int]:
    """Whether some of the sources are decoded to what the file has from byte `offset` on, and how many they are."""
    sources = file.sources[which]
    with tempfile.NamedTemporaryFile() as again, open(file.path, "rb") as kept:
        file.write(Path(again.name), 0, sources, *file.arguments)
        kept.seek(offset)
        return kept.read(step * len(sources)) == Path(again.name).read_bytes(), len(sources)


def _sizes(folder: Path, names: Sequence[str]) -> list[str]:
    return [str(os.stat(folder / name).st_size) if (folder / name).exists() else "" for name in names]
