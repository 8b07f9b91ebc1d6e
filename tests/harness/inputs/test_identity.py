"""What a partial copy of a public data set lacks: found, and kept for tables that are made without it."""

from harness.display.progress import Progress
from harness.inputs.identity import identify, recall, remember
from harness.inputs.spec import DataIdentity, Inputs
from harness.store.records import Results
from tests.support.recorded_runs import complain
from tests.support.small_datasets import CSV_ROWS, SIZE, write_csv, write_market

PARTIAL = {"train": (4, 12936), "query": (2, 3368), "gallery": (3, 15913)}


def test_a_partial_copy_is_known_as_such_also_where_only_its_note_is_at_hand(tmp_path):
    write_market(tmp_path / "market")
    results, progress = Results(tmp_path / "results", complain), Progress.on_stderr(quiet=True)
    copy = Inputs("market1501", str(tmp_path / "market"), allow_partial=True)
    found = identify(copy, SIZE, results, progress)
    assert found.partial == PARTIAL
    remember(copy, SIZE, found, results)
    assert recall(Inputs("market1501"), SIZE, results) == found
    own = Inputs(str(write_csv(tmp_path / "own", CSV_ROWS)))
    assert identify(own, SIZE, results, progress).partial == {}  # of which nobody knows the whole
    remember(own, SIZE, DataIdentity("0" * 12, None), results)
    assert recall(own, SIZE, results).partial == {}
