"""Further columns of a table: what is known of its rows beside their scores, found from records and notes alone.

How good the part maps of a row are is measured when it is trained, and noted in the results folder by the digests of
pictures and maps: a table of the same runs says it wherever it is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.inputs import Found, Inputs, Size, load, read_note, write_note
from harness.progress import Progress
from harness.records import Failed, Finished, Results
from harness.statistics import Estimate
from harness.table import Column
from studies.study import ColumnName

if TYPE_CHECKING:
    from pivl.data.pictures import Split

Recorded = Mapping[str, Mapping[int, Finished | Failed | None]]
MIOU = "mIoU, %"


def find_columns(names: Sequence[ColumnName], recorded: Recorded, results: Results) -> tuple[Column, ...]:
    """The columns `names` of the rows that are recorded."""
    find = {"mIoU": _miou}
    return tuple(find[name](recorded, results) for name in names)


def measure_maps(found: Mapping[Inputs, Found], size: Size, results: Results, progress: Progress) -> None:
    """Hold the part maps of rendered training pictures to the exact ones, where this is not noted yet."""
    for inputs, data in found.items():
        key = name_maps(data.fingerprint, data.maps or "")
        if inputs.is_embedded and data.maps is not None and key not in read_note(results):
            progress.update(inputs.part_maps or "renderer", "scoring its part maps")
            exact = load(replace(inputs, part_maps=None), size)
            write_note(results, key, _score(load(inputs, size) if inputs.part_maps else exact, exact))
            progress.close()


def name_maps(fingerprint: str, maps: str) -> str:
    """What a note calls part maps of a digest; the exact ones are covered by the fingerprint and have none."""
    return f"part maps {maps or 'exact'} of {fingerprint}"


def _score(split: "Split", exact: "Split") -> dict[str, Any]:
    """mIoU in percent as an Estimate has it, and mean and standard deviation of single pictures' mIoU."""
    from pivl.parsers.spread import score_with_spread
    from pivl.streams import numpy_stream

    assert split.train.part_map is not None
    assert exact.train.part_map is not None
    maps = split.train.part_map.numpy(), exact.train.part_map.numpy()
    person, draws = exact.train.person.numpy(), numpy_stream(0, "people of a parser's score")
    found = score_with_spread(*maps, person, exact.labels, draws)
    interval = {"mean": found.score.mean_iou, "low": found.low, "high": found.high, "error": found.error}
    each = {"each": float(found.each.mean()), "deviation": float(found.each.std(ddof=1))}
    return {name: round(100 * value, 4) for name, value in {**interval, **each}.items()}


def _miou(recorded: Recorded, results: Results) -> Column:
    """How good the part maps are that each row was trained on, by what its records say that these were."""
    notes, values, single = read_note(results), {}, []
    for row, seeds in recorded.items():
        run = next((run for run in seeds.values() if isinstance(run, Finished)), None)
        if run is None or run.record["recipe"]["part_text"] == "none":
            continue
        note = notes.get(name_maps(run.record["fingerprint"], run.record.get("maps", "")))
        if note is not None:
            values[row] = Estimate(note["mean"], note["low"], note["high"], note["error"], float("inf"))
            single.append(f"{row} {note['each']:.1f} ± {note['deviation']:.1f}")
    of_single = f" Of single pictures, mean ± standard deviation: {'; '.join(single)}." if single else ""
    note_text = (
        "the part maps that the row is trained on against the exact ones of the same pictures, all pictures together "
        f"[95 % interval over people].{of_single}"
    )
    return Column("miou", MIOU, values, 1, note_text)
