"""A data set by its inputs, as it is: rendered or read from disk, its pictures and part maps decoded."""

from pathlib import Path

from harness.inputs import Inputs, Size, find_config
from harness.progress import Progress
from pivl.data import catalog
from pivl.data.pictures import Split
from pivl.parsers.sources import put_maps
from pivl.people import benchmark


def load_whole(inputs: Inputs, size: Size, progress: Progress | None, confidence: bool) -> Split:
    """Every picture, those of the test people too; see harness.inputs.load."""
    doing = "rendering into the cache, once" if inputs.is_embedded else "decoding into the cache, once"
    report = progress.count(inputs.called, doing) if progress else None
    try:
        if inputs.is_embedded:
            split = benchmark.load(find_config(inputs.dataset), size, report)
            if inputs.part_maps is None:
                return split
            parsing = progress.count(inputs.part_maps, "making part maps, once") if progress else None
            return put_maps(split, inputs.part_maps, parsing)
        root, maps = (None if path is None else Path(path) for path in (inputs.data_root, inputs.part_maps))
        return catalog.load(inputs.dataset, root, size, maps, inputs.allow_partial, report, confidence)
    finally:
        if progress:
            progress.close()
