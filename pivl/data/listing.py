"""The pictures of a data set before any is decoded: who is where, what is wrong with it, and its fingerprint."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pivl.data.benchmarks import SETS, Benchmark, Counts, SetName
from pivl.data.cache.digests import Report, digest_files

DISTRACTOR = "distractor"  # the person of a picture that is never a right answer
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: its path below the listing's folder (with "/"), its file's size in bytes, and what it shows.

    Cameras are numbered from 0. `part_map` is a path that the data set itself gives for the part map. `digest` is the
    SHA-256 of the file, which `identify` puts in; empty where it cannot be read, which is said where pictures are.
    """

    name: str
    bytes: int
    person: str
    camera: int
    part_map: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Listing:
    """The pictures of each set, sorted by name. `sources` says where those of a set were looked for.

    called: the data set's name in messages; cameras: their names, by number; missing: names of pictures that its lists
    name and that are not there; broken: what has a picture's name and is no file; ignored: how many junk pictures were
    left out.
    """

    name: str
    called: str
    folder: Path
    entries: Mapping[SetName, tuple[Entry, ...]]
    sources: Mapping[SetName, str]
    cameras: tuple[str, ...]
    facts: Benchmark | None = None
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    ignored: int = 0

    def paths(self, which: SetName) -> list[Path]:
        """Returns the files of a set, in the order of its entries."""
        return [self.folder / entry.name for entry in self.entries[which]]

    def people(self, which: SetName) -> set[str]:
        """Returns the people of a set, without distractors."""
        return {entry.person for entry in self.entries[which]} - {DISTRACTOR}

    @property
    def partial(self) -> dict[str, tuple[int, int]]:
        """Found and expected pictures of each set whose counts are not those of the public benchmark; else nothing."""
        if self.facts is None:
            return {}
        known = self.facts.counts
        found = {which: Counts(len(self.entries[which]), len(self.people(which))) for which in SETS}
        return {
            which: (found[which].images, known[which].images)
            for which in SETS
            if found[which] != known[which]
        }


def size_of(path: Path) -> int | None:
    """Size in bytes of the regular file at `path`, None where there is none."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def broken(path: Path) -> str:
    """Returns what stands at `path` in a file's place, in words; empty where there is nothing at all."""
    if not os.path.lexists(path):
        return ""
    if os.path.isdir(path):
        return "a folder"
    return "no regular file" if os.path.exists(path) else "a broken link"


def in_order(names: Iterable[str]) -> list[str]:
    """People or cameras in the order in which they are numbered: numbers by value, then other names."""
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def number_people(listing: Listing) -> dict[str, int]:
    """Training people from 0 in sorted order, test people after them in sorted order, distractors -1."""
    train = in_order(listing.people("train"))
    test = in_order(listing.people("query") | listing.people("gallery"))
    return {person: number for number, person in enumerate([*train, *test])} | {DISTRACTOR: -1}


def identify(listing: Listing, report: Report | None = None) -> Listing:
    """Returns the listing with the digest of every picture; `report(done, total)` counts those that have to be read."""
    names = [entry.name for which in SETS for entry in listing.entries[which]]
    digests = iter(digest_files(listing.folder, names, report))
    entries = {
        which: tuple(replace(entry, digest=next(digests)) for entry in listing.entries[which])
        for which in SETS
    }
    return replace(listing, entries=entries)


def fingerprint(listing: Listing) -> str:
    """Hash over the sorted names and digests of the pictures, with set, person and camera: 12 hexadecimal digits."""
    return hash_lines(
        (which, entry.name, entry.digest, entry.person, str(entry.camera))
        for which in SETS
        for entry in listing.entries[which]
    )


def hash_lines(lines: Iterable[Line]) -> str:
    """Returns the first 12 hexadecimal digits of the SHA-256 of the sorted lines."""
    content = sha256()
    for line in sorted(lines):
        content.update("\0".join((*line, "")).encode(errors="surrogateescape"))  # no path holds a zero
    return content.hexdigest()[:12]


def count_faults(listing: Listing) -> list[str]:
    """Returns where the counts of a public benchmark differ from what is known of it: a line each, one for a subset."""
    if listing.facts is None:
        return []
    if parts := _count_subset(listing, listing.facts.counts):
        return [
            f"{listing.called}: a subset: {', '.join(parts)} in {listing.folder}; on purpose? add --allow-partial"
        ]
    faults = []
    for which in SETS:
        expected, source = listing.facts.counts[which], listing.sources[which]
        found = {"images": len(listing.entries[which]), "identities": len(listing.people(which))}
        for what, known in (("images", expected.images), ("identities", expected.people)):
            if found[what] != known:
                faults.append(
                    f"{listing.called}: expected {known} {which} {what}, found {found[what]} in {source}"
                )
    return faults


def _count_subset(listing: Listing, known: Mapping[SetName, Counts]) -> list[str]:
    """Returns found and known counts of the sets that are short, if these are several and no set has too many."""
    short = []
    for which in SETS:
        images, people = len(listing.entries[which]), len(listing.people(which))
        if images > known[which].images or people > known[which].people:
            return []
        if Counts(images, people) != known[which]:
            short.append(
                f"{images} of {known[which].images} {which} images ({people} of {known[which].people} identities)"
            )
    return short if len(short) > 1 else []


def broken_faults(listing: Listing) -> list[str]:
    """Returns a line if something that is no file has a picture's name; no option gets past it."""
    if not listing.broken:
        return []
    first, others = listing.folder / listing.broken[0], len(listing.broken) - 1
    more = f" (and {others} more that are no files)" if others else ""
    return [f"{listing.called}: {first} is {broken(first)}{more}; restore or remove it"]


def retrieval_faults(listing: Listing) -> list[str]:
    """Returns what makes training or retrieval impossible or untrue, a line each; no option gets past these."""
    faults = []
    for which in SETS:
        people = listing.people(which)
        if which != "gallery" and any(entry.person == DISTRACTOR for entry in listing.entries[which]):
            faults.append(
                f"{listing.called}: the {which} set holds distractors; they belong in the gallery only"
            )
        if not listing.entries[which]:
            faults.append(f"{listing.called}: no {which} images in {listing.sources[which]}")
        elif len(people) < 2:
            who = f"one person ({people.pop()})" if people else "nobody but distractors"
            faults.append(f"{listing.called}: the {which} set has {who}; at least two identities are needed")
    both = listing.people("train") & (listing.people("query") | listing.people("gallery"))
    if both:
        faults.append(
            f"{listing.called}: {_who(both)} in the train set and in query or gallery; remove one of them: "
            "test identities must not be trained on"
        )
    return faults


def no_match_fault(listing: Listing) -> list[str]:
    """Returns a line if there are queries and not one has a right answer; no option gets past it."""
    queries = listing.entries["query"]
    if not queries or len(_unmatched(listing)) < len(queries):
        return []
    return [
        f"{listing.called}: no query has its person in the gallery under another camera, so that nothing can be scored; "
        "correct the cameras, or add such images"
    ]


def match_faults(listing: Listing) -> list[str]:
    """Returns a line if there are query people whom no gallery picture shows under a second camera."""
    alone = unmatched_people(listing)
    if not alone:
        return []
    return [
        f"{listing.called}: {_who(alone)} in the query set without a gallery image under a second camera; add one, "
        "or pass --allow-partial and such queries are left out of the scores"
    ]


def unmatched_people(listing: Listing) -> list[str]:
    """People of whom at least one query has no right answer: no gallery picture under another camera."""
    return in_order({entry.person for entry in _unmatched(listing)})


def _unmatched(listing: Listing) -> list[Entry]:
    cameras: dict[str, set[int]] = {}
    for entry in listing.entries["gallery"]:
        cameras.setdefault(entry.person, set()).add(entry.camera)
    return [one for one in listing.entries["query"] if not cameras.get(one.person, set()) - {one.camera}]


def find_faults(listing: Listing, allow_partial: bool) -> list[str]:
    """Everything that is wrong with the listing. `allow_partial` lets counts, and queries without an answer, pass.

    A public benchmark of known counts may have queries without an answer: the market protocol does not score them.
    """
    impossible = [*retrieval_faults(listing), *no_match_fault(listing)]
    if allow_partial:
        return [*broken_faults(listing), *impossible]
    matched = [] if listing.facts or no_match_fault(listing) else match_faults(listing)
    return [*broken_faults(listing), *count_faults(listing), *impossible, *matched]


def _who(people: Sequence[str] | set[str]) -> str:
    """`person 7 stands`, or `3 people (first: 7) stand`."""
    first = in_order(people)[0]
    return (
        f"person {first} stands" if len(people) == 1 else f"{len(people)} identities (first: {first}) stand"
    )


_KEPT: ContextVar[dict[tuple[str, Path | None], Listing] | None] = ContextVar("listings", default=None)


@contextmanager
def keep_listings(anew: bool = False) -> Iterator[None]:
    """Within the block a data set is listed once: by its name and folder, whoever asks; `anew`: whatever was kept before.

    A block within another keeps what the outer one has. What changes on disk meanwhile is not seen.
    """
    before = _KEPT.get()
    token = _KEPT.set({} if anew or before is None else before)
    try:
        yield
    finally:
        _KEPT.reset(token)


def listings() -> dict[tuple[str, Path | None], Listing]:
    """Returns the listings that are kept, to be added to; outside `keep_listings` an empty dict that nobody keeps."""
    kept = _KEPT.get()
    return {} if kept is None else kept
