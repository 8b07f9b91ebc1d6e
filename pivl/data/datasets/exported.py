"""The note of `data export` beside the pictures that it wrote: their benchmark, counts and part maps."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from pivl.data.benchmarks import SETS, Counts, SetName
from pivl.data.listing import Listing
from pivl.errors import UserError
from pivl.system.json_files import read_json

NOTE = "export.json"


def write_note(folder: Path, benchmark: str, counts: Mapping[SetName, Counts], part_maps: str) -> None:
    """Write NOTE into `folder`: the benchmark's name, pictures and people of each set, and its folder of part maps."""
    note = {
        "benchmark": benchmark,
        "counts": {which: asdict(one) for which, one in counts.items()},
        "part_maps": part_maps,
    }
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def as_exported(listing: Listing) -> tuple[Listing, Path | None]:
    """Returns the listing with the counts of its folder's NOTE as the expected ones, and the folder of its part maps.

    Without a NOTE, the listing as it is and None. Raises UserError for a NOTE that cannot be read.
    """
    path = listing.folder / NOTE
    if listing.facts is None or not path.exists():
        return listing, None
    note = read_json(path, "export the data set again")
    try:
        counts = {which: Counts(**note["counts"][which]) for which in SETS}
        said = (
            f"{note['benchmark']}, exported by pivl-bench: compared with the counts in {path}; "
            "to plan and run on it, add --allow-partial"
        )
        part_maps = listing.folder / note["part_maps"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no note of pivl-bench data export; export the data set again") from error
    return replace(listing, facts=replace(listing.facts, counts=counts, note=said)), part_maps
