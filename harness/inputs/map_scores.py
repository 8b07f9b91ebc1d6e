"""Measures the mIoU of part maps for a study's table column."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.display.progress import Progress
from harness.inputs.loading import load
from harness.inputs.spec import DataIdentity, Inputs, Size
from harness.store.manifest import read_note, write_note
from harness.store.records import Results

if TYPE_CHECKING:
    from pivl.data.pictures import Split
from harness.store.manifest import name_maps


def measure_maps(
    found: Mapping[Inputs, DataIdentity], size: Size, results: Results, progress: Progress
) -> None:
    """Scores the part maps of rendered training images against the exact ones, unless they are noted already."""
    for inputs, data in found.items():
        key = name_maps(data.fingerprint, data.maps or "")
        if inputs.is_embedded and data.maps is not None and key not in read_note(results):
            progress.update(inputs.part_maps or "renderer", "scoring its part maps")
            exact = load(replace(inputs, part_maps=None), size)
            write_note(results, key, _score(load(inputs, size) if inputs.part_maps else exact, exact))
            progress.close()


def _score(split: "Split", exact: "Split") -> dict[str, Any]:
    """The mIoU in percent with its interval, and mean and standard deviation of the mIoU of single images."""
    from pivl.parsers.score_interval import score_interval
    from pivl.system.random_streams import numpy_stream

    assert split.train.part_map is not None
    assert exact.train.part_map is not None
    maps = split.train.part_map.numpy(), exact.train.part_map.numpy()
    cluster, draws = exact.train.cluster.numpy(), numpy_stream(0, "people of a parser's score")
    found = score_interval(*maps, cluster, exact.labels, draws)
    interval = {"mean": found.score.mean_iou, "low": found.low, "high": found.high, "error": found.error}
    each = {"each": float(found.each.mean()), "deviation": float(found.each.std(ddof=1))}
    scores = {name: round(100 * value, 4) for name, value in {**interval, **each}.items()}
    return {**scores, "clusters": "person" if exact.train.family is None else "family"}
