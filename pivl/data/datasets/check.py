"""A data set on disk against what it should hold: every picture and part map is read, every fault is a line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pivl.data.benchmarks import SETS, Counts, SetName
from pivl.data.cache.decode import JOB, JOBS_PER_WORKER
from pivl.data.cache.digests import Report
from pivl.data.cache.pixels import find_unreadable
from pivl.data.datasets.catalog import digest_maps, list_pictures
from pivl.data.datasets.doubts import (
    cameras_of,
    copies,
    list_names,
    repeated,
    unclear_names,
    untrained_cameras,
)
from pivl.data.datasets.exported import as_exported
from pivl.data.listing import DISTRACTOR, Listing, find_faults, fingerprint, unmatched_people
from pivl.data.part_maps.files import (
    MapFiles,
    Source,
    identify_maps,
    inspect_maps,
    locate_maps,
    pair,
    tell_labels,
)
from pivl.errors import UserError
from pivl.system.parallel import cores, spread

Result = TypeVar("Result")
HEADER = ("set", "images", "expected images", "identities", "expected identities", "cameras", "distractors")
NAMED = 20  # missing images and maps named one by one: where a folder is not unpacked they are very many


@dataclass(frozen=True)
class SetCount:
    """The counts of a set, and the expected ones where they are known."""

    name: SetName
    images: int
    people: int
    cameras: int
    distractors: int
    expected: Counts | None


@dataclass(frozen=True)
class MapCount:
    """The part maps of the training set: how many of its pictures have one, and how many class ids occur in them.

    told_by: what told the label set where no meta.json does.
    """

    folder: Path
    labels: str
    maps: int
    images: int
    classes: int
    known_classes: int
    digest: str
    told_by: str


@dataclass(frozen=True)
class Findings:
    """The findings of `check`; `faults` are the lines that say what is wrong, each missing or unreadable file by name.

    cameras: of all sets; apart: of each set those that no other has; untrained: of test pictures, and of no training
    picture. doubts: lines on what is odd and may be meant. notes: what is missing, where allow_partial lets that pass;
    partial: whether it would let some of the faults pass.
    """

    name: str
    folder: Path
    sets: tuple[SetCount, ...]
    junk: int
    unmatched: int
    cameras: tuple[str, ...]
    apart: Mapping[SetName, tuple[str, ...]]
    untrained: tuple[str, ...]
    maps: MapCount | None
    fingerprint: str
    note: str
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]
    partial: bool

    @property
    def wrong(self) -> bool:
        """Whether there is any fault."""
        return bool(self.faults)


def check(
    name: str,
    root: Path | None,
    part_maps: Path | None = None,
    allow_partial: bool = False,
    report: Report | None = None,
    labels: str | None = None,
) -> Findings:
    """List the data set, hash and read every picture and every part map; `report(done, total)` counts each of these.

    Arguments as in catalog.load. What `data export` wrote is compared with its own counts, and its part maps are found.
    Raises UserError where there is nothing to count: an unknown name, a missing folder, a
    picture or a csv row that cannot be understood.
    """
    listing, exported_maps = as_exported(list_pictures(name, root, report))
    part_maps = part_maps or exported_maps
    maps, sources, untold = _find_maps(listing, part_maps, report, labels)
    missing = [*_name_missing(listing), *_name_unmapped(listing, sources, part_maps or listing.folder)]
    faults = [*find_faults(listing, allow_partial), *([] if allow_partial else missing)]
    partial = {*faults} - {*find_faults(listing, allow_partial=True)}
    faults += [*copies(listing), *untold]
    paths = [*dict.fromkeys(path for which in SETS for path in listing.paths(which))]
    total = len(paths) + len(sources)
    for unreadable in _read_all(find_unreadable, paths, (), 0, total, report):
        faults += unreadable
    inspected = _read_all(inspect_maps, sources, (maps and maps.labels,), len(paths), total, report)
    faults += [fault for unusable, _ in inspected for fault in unusable]
    seen = {label for _, labels in inspected for label in labels}
    told_by = tell_labels(maps, labels) if maps else ""
    map_count = _count_maps(maps, seen, digest_maps(listing, maps), told_by) if maps else None
    return Findings(
        name=listing.name,
        folder=listing.folder,
        sets=tuple(_count(listing, which) for which in SETS),
        junk=listing.ignored,
        unmatched=len(unmatched_people(listing)),
        cameras=tuple(cameras_of(listing, *SETS)),
        apart={which: _apart(listing, which) for which in SETS},
        untrained=tuple(untrained_cameras(listing)),
        maps=map_count,
        fingerprint=fingerprint(listing),
        note=listing.facts.note if listing.facts else "",
        doubts=(*repeated(listing), *unclear_names(listing)),
        notes=tuple(missing) if allow_partial else (),
        faults=(*dict.fromkeys(faults),),  # what keeps labels from being told is found in its map again
        partial=bool(partial),
    )


def describe(findings: Findings) -> str:
    """Returns the findings as text: a table of counts, what belongs to it, and the faults, a line each."""
    lines = [f"{findings.name} in {findings.folder}", *([findings.note] if findings.note else [])]
    rows = [HEADER, *map(_row, findings.sets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    lines.append(f"cameras of all sets: {len(findings.cameras)} ({list_names(findings.cameras)})")
    for which, names in findings.apart.items():
        if names:
            lines.append(f"cameras of the {which} set alone: {list_names(names)}")
    if findings.untrained:
        lines.append(f"cameras of test images that training never sees: {list_names(findings.untrained)}")
    if findings.junk:
        lines.append(f"left out as junk: {findings.junk} images")
    if findings.unmatched:
        lines.append(
            f"identities with a query that has no right answer, which is not scored: {findings.unmatched}"
        )
    if maps := findings.maps:
        by = f", by {maps.told_by}" if maps.told_by else ""
        lines.append(
            f"part maps ({maps.labels}{by}) in {maps.folder}: {maps.maps} of {maps.images} train images, "
            f"{maps.classes} of {maps.known_classes} classes occur"
        )
    of_maps = f", of the part maps {maps.digest}" if maps else ""
    lines += [f"fingerprint: {findings.fingerprint}{of_maps}", *findings.doubts]
    lines += [*(f"note: {note}" for note in findings.notes), *findings.faults]
    if findings.wrong:
        advice = "; a subset on purpose? add --allow-partial" if findings.partial else ""
        lines.append(f"{len(findings.faults)} fault{'s' if len(findings.faults) > 1 else ''}{advice}")
    return "\n".join(lines)


def _row(item: SetCount) -> tuple[str, ...]:
    expected = (item.expected.images, item.expected.people) if item.expected else ("-", "-")
    cells = item.images, expected[0], item.people, expected[1], item.cameras, item.distractors
    return (item.name, *map(str, cells))


def _find_maps(
    listing: Listing, folder: Path | None, report: Report | None, labels: str | None
) -> tuple[MapFiles | None, list[Source], list[str]]:
    """Returns the part maps, each training image with its own, and a line if the maps, or their labels, cannot be told.

    Maps whose label set nobody tells stand with their images all the same.
    """
    sources: list[Source] = []
    try:
        if (located := locate_maps(listing, folder)) is None:
            return None, sources, []
        sources = pair(listing, *located)
        return identify_maps(*located, report, labels), sources, []
    except UserError as error:
        return None, sources, [str(error)]


def _name_missing(listing: Listing) -> list[str]:
    """Returns a line for each picture that a list names in vain, the first NAMED of them."""
    lines = [f"{listing.called}: no image {listing.folder / name}" for name in listing.missing[:NAMED]]
    if more := len(listing.missing) - len(lines):
        lines.append(f"{listing.called}: no image for {more} lines more of its lists")
    return lines


def _name_unmapped(listing: Listing, sources: Sequence[Source], folder: Path) -> list[str]:
    """Returns a line for each training picture without a part map in `folder`, the first NAMED of them."""
    lacking = [picture.relative_to(listing.folder) for picture, part_map in sources if part_map is None]
    lines = [f"{listing.called}: {name} has no part map in {folder}" for name in lacking[:NAMED]]
    if more := len(lacking) - len(lines):
        lines.append(f"{listing.called}: and {more} images more have no part map in {folder}")
    return lines


def _count(listing: Listing, which: SetName) -> SetCount:
    entries = listing.entries[which]
    return SetCount(
        which,
        len(entries),
        len(listing.people(which)),
        len({entry.camera for entry in entries}),
        sum(entry.person == DISTRACTOR for entry in entries),
        listing.facts.counts[which] if listing.facts else None,
    )


def _apart(listing: Listing, which: SetName) -> tuple[str, ...]:
    """Returns the cameras that no other set has."""
    others = {*cameras_of(listing, *(one for one in SETS if one != which))}
    return tuple(name for name in cameras_of(listing, which) if name not in others)


def _count_maps(maps: MapFiles, classes: set[int], digest: str, told_by: str) -> MapCount:
    known = len(maps.labels.parts)
    return MapCount(
        maps.folder,
        maps.labels.name,
        maps.coverage,
        len(maps.found),
        len(classes),
        known,
        digest,
        told_by,
    )


def _read_all(
    work: Callable[..., Result],
    items: Sequence[Any],
    arguments: tuple[Any, ...],
    before: int,
    total: int,
    report: Report | None,
) -> list[Result]:
    """work(some items, *arguments) for all items by all cores, results in order; `before` were counted already."""
    jobs = [(items[start : start + JOB], *arguments) for start in range(0, len(items), JOB)]
    results: dict[int, Result] = {}
    done = before
    for place, result in spread(work, jobs, min(cores(), len(jobs) // JOBS_PER_WORKER)):
        results[place] = result
        done += len(jobs[place][0])
        if report:
            report(done, total)
    return [results[place] for place in range(len(jobs))]
