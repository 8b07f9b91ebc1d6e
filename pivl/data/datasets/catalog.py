"""Data sets by name or csv file: listed, checked, decoded into the cache, and put together as a Split."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pivl.data.benchmarks import BENCHMARKS, SETS, SetName
from pivl.data.cache.decode import CacheFile, decode, plan_confidence, plan_maps, plan_pictures
from pivl.data.cache.digests import Report
from pivl.data.datasets.csv_file import list_csv
from pivl.data.datasets.layouts import list_benchmark
from pivl.data.listing import (
    Listing,
    find_faults,
    fingerprint,
    hash_lines,
    keep_listings,
    listings,
    number_people,
)
from pivl.data.part_maps.confidence import confidence_lines
from pivl.data.part_maps.files import MapFiles, find_maps, missing_fault
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.errors import Unreadable, UserError


def load(
    name: str,
    root: Path | None,
    size: tuple[int, int],
    part_maps: Path | None = None,
    allow_partial: bool = False,
    report: Report | None = None,
    confidence: bool = False,
    labels: str | None = None,
) -> Split:
    """The data set `name` (of BENCHMARKS, or a csv file) in `root`, at `size` (height, width); maps for its training set.

    Images are tensors over memory-mapped files of the cache; `report(done, total)` is called while these are made.
    Training people are numbered 0..P-1 in sorted order, test people after them; cameras from 0. Without part maps the
    label set is LIP, for prompts. `allow_partial` lets counts that differ from the known ones pass, and training
    pictures without a map. `confidence`: that of the part maps too. `labels` as in find_maps. Raises UserError, one
    line, for whatever is wrong; see find_faults, find_maps, confidence_lines and decode; and for files that change
    while they are decoded.
    """
    asked = name, root, part_maps, allow_partial, None, labels
    listing, maps = survey(*asked)
    files = _plan(listing, maps, size, confidence)
    new = [file for file in files if not file.path.exists()]
    try:
        tensors = decode(files, report)
    except Unreadable as error:
        raise UserError(f"{error} (pivl-bench data check lists all such files)") from error
    with keep_listings(anew=True):
        after = _plan(*survey(*asked), size, confidence) if new else files
    if files != after:
        for file in new:  # named by the digests of before, filled with who knows what
            file.path.unlink(missing_ok=True)
        raise UserError(
            f"{listing.called}: files of it changed while they were decoded; run the command again"
        )
    planes = (*tensors[3:], None, None)[:2]
    sets = {
        which: _pictures(listing, which, image, *(planes if which == "train" else ()))
        for which, image in zip(SETS, tensors, strict=False)
    }
    return Split(
        listing.name,
        sets["train"],
        sets["query"],
        sets["gallery"],
        labels=maps.labels if maps else LIP,
        fingerprint=fingerprint(listing),
        maps=digest_maps(listing, maps, confidence),
    )


def _plan(
    listing: Listing, maps: MapFiles | None, size: tuple[int, int], confidence: bool
) -> list[CacheFile]:
    """Returns what of the data set is kept decoded: the three sets, then part maps and their confidence."""
    files = [plan_pictures(listing, which, size) for which in SETS]
    files += [plan_maps(listing, maps, size)] if maps else []
    return files + ([plan_confidence(listing, maps, size)] if maps and confidence else [])


def survey(
    name: str,
    root: Path | None,
    part_maps: Path | None = None,
    allow_partial: bool = False,
    report: Report | None = None,
    labels: str | None = None,
) -> tuple[Listing, MapFiles | None]:
    """Returns the pictures and maps of a data set, checked but not decoded; errors as in `load`.

    `report(done, total)` is called while files are hashed that were not before.
    """
    listing = list_pictures(name, root, report)
    _refuse(find_faults(listing, allow_partial))
    maps = find_maps(listing, part_maps, report, labels)
    if maps and not allow_partial:
        _refuse(missing_fault(listing, maps))
    return listing, maps


def digest_maps(listing: Listing, maps: MapFiles | None, confidence: bool = False) -> str:
    """Returns a digest of the pictures' part maps, with their confidence if wanted; empty without maps.

    Raises UserError where confidence is wanted and is not there.
    """
    if maps is None:
        return ""
    sure = confidence_lines(maps) if confidence else ()
    return hash_lines([*maps.lines(listing), *sure])


def list_pictures(name: str, root: Path | None, report: Report | None = None) -> Listing:
    """Returns the pictures of the data set `name`, or of the csv file of that path. Raises UserError for an unknown name.

    `report` as in `survey`. Where pivl.data.listing keeps listings, those that are kept are returned.
    """
    kept = listings()
    if (name, root) not in kept:
        kept[name, root] = _list(name, root, report)
    return kept[name, root]


def _list(name: str, root: Path | None, report: Report | None) -> Listing:
    if name.lower().endswith(".csv"):
        return list_csv(Path(name), root, report)
    if name not in BENCHMARKS:
        raise UserError(
            f"no data set {name!r}; name one of {', '.join(BENCHMARKS)}, or a csv file of your own"
        )
    if root is None:
        raise UserError(f"{name}: name the folder that holds {BENCHMARKS[name].title} with --data-root")
    return list_benchmark(BENCHMARKS[name], root, report)


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        more = f" (and {len(faults) - 1} more: pivl-bench data check lists them)" if len(faults) > 1 else ""
        raise UserError(faults[0] + more)


def _pictures(
    listing: Listing,
    which: SetName,
    image: Tensor,
    part_map: Tensor | None = None,
    confidence: Tensor | None = None,
) -> Pictures:
    entries, numbers = listing.entries[which], number_people(listing)
    return Pictures(
        image,
        torch.tensor([numbers[entry.person] for entry in entries]),
        torch.tensor([entry.camera for entry in entries]),
        part_map,
        tuple(entry.name for entry in entries),
        confidence,
    )
