"""The SHA-256 of files, found once: kept in the user's cache, and believed while what the system says of a file stays.

`digests` of the cache has one file for each folder that was looked at: a line with the checksum of the rest, then JSON.
One that is not as it was written is not believed in any part, and made anew.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from pivl.data.cache.folder import ADVICE, cache_folder
from pivl.errors import UserError
from pivl.system.files import write_atomically
from pivl.system.parallel import cores

SETTLED = 2_000_000_000  # nanoseconds since its last change after which another would have another date, on any disk
THREADS = 8
JOB = 64  # files that a thread takes at a time
BLOCK = 2**20
NOTICEABLE = 1.0  # seconds of hashing; that less cannot be kept is not worth a line

Stamp = tuple[int, ...]  # inode, bytes, and when content and inode were last changed, in nanoseconds
Kept = dict[str, list[Any]]  # by name: the stamp, and the digest behind it
Report = Callable[[int, int], object]  # called with what is done and the total


def digest_files(folder: Path, names: Sequence[str], report: Report | None = None) -> list[str]:
    """The SHA-256 of each of `names` below `folder`, 64 hexadecimal digits; empty for what is no file or cannot be read.

    A file whose inode, size and dates are those that it was hashed with is not read again, unless it had been changed
    in the very moment before. `report(done, total)` counts what has to be read.
    """
    place = os.path.realpath(folder)
    store, began = _place(place), time.monotonic()
    kept = _read(store)
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        entry = kept.get(name)
        if entry and (*entry[:-1],) == _look(os.path.join(place, name)):
            found[name] = entry[-1]
    todo = [name for name in dict.fromkeys(names) if name not in found]
    hashed = dict(_hash_all(place, todo, report))
    settled = {name: [*stamp, digest] for name, (stamp, digest) in hashed.items() if stamp}
    if settled:
        meanwhile = _read(store, complain=False)  # to which another process may have added
        _write(store, {**meanwhile, **settled}, began)
    found |= {name: digest for name, (_, digest) in hashed.items()}
    return [found[name] for name in names]


def digest_file(path: Path) -> str:
    """Returns the SHA-256 of one file, as digest_files finds it. Raises UserError where it cannot be read."""
    (digest,) = digest_files(path.parent, [path.name])
    if not digest:
        raise UserError(f"cannot read {path}; check that it is a file, and its permissions")
    return digest


def _hash_all(
    place: str, names: Sequence[str], report: Report | None
) -> Iterator[tuple[str, tuple[Stamp, str]]]:
    """Yields each name with the stamp of its file, empty where it may not be believed later, and the digest."""
    jobs = [names[start : start + JOB] for start in range(0, len(names), JOB)]

    def work(some: Sequence[str]) -> list[tuple[str, tuple[Stamp, str]]]:
        return [(name, _hash(os.path.join(place, name))) for name in some]

    done = 0
    with ThreadPoolExecutor(max(THREADS, cores())) as pool:
        try:
            for found in pool.map(work, jobs):
                done += len(found)
                if report:
                    report(done, len(names))
                yield from found
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _hash(path: str) -> tuple[Stamp, str]:
    content, began = sha256(), time.time_ns()
    try:
        if not _look(path):
            return (), ""
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # should a fifo have come in its place
        try:
            before = _stamp(os.fstat(handle))
            while block := os.read(handle, BLOCK):
                content.update(block)
            after = _stamp(os.fstat(handle))
        finally:
            os.close(handle)
    except (OSError, ValueError):  # the second of a name with a zero in it
        return (), ""
    whole = bool(before) and before == after
    return before if whole and began - before[-1] > SETTLED else (), content.hexdigest()


def _look(path: str) -> Stamp:
    try:
        return _stamp(os.stat(path))
    except (OSError, ValueError):
        return ()


def _stamp(facts: os.stat_result) -> Stamp:
    """Empty for what is no regular file."""
    if not stat.S_ISREG(facts.st_mode):
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _place(folder: str) -> Path | None:
    """Returns where the digests of a folder's files are kept; None where the user has no folder for caches."""
    try:
        return cache_folder() / "digests" / f"{sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
    except (RuntimeError, UserError):
        return None


def _read(store: Path | None, complain: bool = True) -> Kept:
    try:
        if store is None or not store.is_file():
            return {}
        checksum, _, body = store.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if checksum.decode(errors="replace") != sha256(body).hexdigest():
        if complain:
            print(f"pivl-bench: {store} is not as it was written; files are hashed again", file=sys.stderr)
        return {}
    return dict(json.loads(body))


def _write(store: Path | None, kept: Kept, began: float) -> None:
    """Keep the digests, if that can be; where it cannot and they took long since `began`, say so."""
    body = json.dumps(kept, separators=(",", ":")).encode()
    content = sha256(body).hexdigest().encode() + b"\n" + body
    try:
        if store is None:
            raise UserError("there is no folder for caches")
        write_atomically(store, lambda temporary: temporary.write_bytes(content))
    except UserError as error:
        if time.monotonic() - began > NOTICEABLE:
            said = str(error).partition(";")[0]
            print(f"pivl-bench: {said}, so files are hashed each time; {ADVICE}", file=sys.stderr)
