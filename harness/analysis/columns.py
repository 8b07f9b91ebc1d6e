"""Further columns of a table: what is known of its rows beside their scores, found from records and notes alone.

How good the part maps of a row are is measured when it is trained, and noted in the results folder by the digests of
pictures and maps: a table of the same runs says it wherever it is made.
"""

from collections.abc import Sequence

from harness.analysis.outcomes import Recorded
from harness.analysis.statistics import Estimate
from harness.analysis.table import CLUSTER_WORDS, Column
from harness.store.manifest import name_maps, read_note
from harness.store.records import Finished, Results
from studies.study import ColumnName

MIOU = "mIoU, %"


def find_columns(names: Sequence[ColumnName], recorded: Recorded, results: Results) -> tuple[Column, ...]:
    """The columns `names` of the rows that are recorded."""
    find = {"mIoU": _miou}
    return tuple(find[name](recorded, results) for name in names)


def _miou(recorded: Recorded, results: Results) -> Column:
    """The column of mIoU: the part maps that each row was trained on against the exact ones, from notes."""
    notes, values, single, over = read_note(results), {}, [], set()
    for row, seeds in recorded.items():
        run = next((run for run in seeds.values() if isinstance(run, Finished)), None)
        if run is None or run.record.get("recipe", {}).get("part_text", "none") == "none":
            continue
        note = notes.get(name_maps(run.record["fingerprint"], run.record.get("maps", "")))
        if note is not None:
            values[row] = Estimate(note["mean"], note["low"], note["high"], note["error"], float("inf"))
            over.add(CLUSTER_WORDS[note.get("clusters", "person")][1])
            single.append(f"{row} {note['each']:.1f} ± {note['deviation']:.1f}")
    of_single = f" Of single images, mean ± standard deviation: {'; '.join(single)}." if single else ""
    note_text = (
        "the part maps that the row is trained on against the exact ones of the same images, all images together "
        f"[95 % interval over {' or '.join(sorted(over)) or 'identities'}].{of_single}"
    )
    return Column("miou", MIOU, values, 1, note_text)
