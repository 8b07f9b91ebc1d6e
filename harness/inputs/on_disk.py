"""Identifies a data set on disk, or recalls what runs noted of it if no folder is given."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.display.progress import Progress
from harness.inputs.spec import DataIdentity, Inputs
from harness.store.records import Results
from pivl.errors import UserError


def find_on_disk(inputs: Inputs, progress: Progress, confidence: bool = False) -> DataIdentity:
    """The identity of the listed and checked data set, with its former identity by file sizes.

    Raises UserError for whatever is wrong with it, and warns of what is doubtful.
    """
    from pivl.data.datasets import catalog
    from pivl.data.datasets.by_size import list_by_size, map_by_size
    from pivl.data.datasets.doubts import doubts, untrained_cameras
    from pivl.data.listing import fingerprint
    from pivl.data.part_maps.files import tell_labels

    root, folder = (None if at is None else Path(at) for at in (inputs.data_root, inputs.part_maps))
    report = progress.count(inputs.called, "hashing files, once")
    try:
        listing, maps = catalog.survey(
            inputs.dataset, root, folder, inputs.allow_partial, report, inputs.labels
        )
        partial, untrained = listing.partial, tuple(untrained_cameras(listing))
        if maps is not None and maps.coverage < len(maps.found):
            partial["part maps"] = maps.coverage, len(maps.found)
        now, before = (
            DataIdentity(
                fingerprint(pictures),
                None if of_maps is None else catalog.digest_maps(pictures, of_maps),
                catalog.digest_maps(pictures, of_maps, True) if confidence else "",
                partial,
                untrained,
                len(listing.people("train")),
            )
            for pictures, of_maps in (
                (listing, maps),
                (list_by_size(listing), None if maps is None else map_by_size(maps)),
            )
        )
    finally:
        progress.close()
    for doubt in doubts(listing):
        progress.warn(doubt)
    if maps is not None and (told_by := tell_labels(maps, inputs.labels)):
        progress.warn(f"{maps.folder} has no meta.json: read as {maps.labels.name}, by {told_by}")
    shots = Counter(Counter(entry.person for entry in listing.entries["train"]).values())
    return replace(now, shots=shots, former=before, place=inputs)


def find_noted(
    inputs: Inputs, known: DataIdentity, find: Callable[[Inputs], DataIdentity], results: Results
) -> DataIdentity:
    """The noted identity of a data set whose folders are not named; a csv file that exists is identified again.

    Pictures and maps are looked for where the last run had them. A line says that the csv is not what was known, or
    that it cannot be looked at.
    """
    if not inputs.is_csv or not os.path.exists(inputs.dataset):
        return known
    root, maps = _last_places(inputs, results)
    try:
        found = find(replace(inputs, data_root=root, part_maps=maps, allow_partial=True))
    except UserError as error:
        results.warn(
            f"{inputs.called}: its files cannot be read now, so what earlier runs recorded of it is used: {error}"
        )
        return known
    if all(
        (one.fingerprint, one.maps) != (known.fingerprint, known.maps) for one in (found, found.former) if one
    ):
        results.warn(
            f"{inputs.dataset}, or an image or part map of it, has changed since the last run; run measures it anew"
        )
    return found


def _last_places(inputs: Inputs, results: Results) -> tuple[str | None, str | None]:
    """The folders of pictures and of part maps that the latest run on the data set had."""
    runs = (record for _, record in replace(results, warn=lambda text: None).records("runs"))
    had = [
        (record["date"], record["inputs"])
        for record in runs
        if record["status"] == "finished" and record.get("inputs", {}).get("dataset") == inputs.dataset
    ]
    last = max(had, key=lambda one: one[0], default=("", {"data_root": None, "part_maps": None}))[1]
    return last["data_root"], last["part_maps"]
