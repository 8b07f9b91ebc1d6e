"""What a data set is known by: what a partial copy lacks, kept for tables that are made without it, and its world."""

from dataclasses import replace

from harness.display.progress import Progress
from harness.inputs.identity import identify, recall, remember
from harness.inputs.spec import DataIdentity, Inputs, find_config
from harness.store.manifest import read_note
from harness.store.records import Results
from pivl.synthped.benchmark import SYNTHPED, SYNTHPED_MINI
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


def test_worlds_are_noted_apart_and_world_0_where_it_was_before_there_were_others(tmp_path):
    results = Results(tmp_path, complain)
    for world in (0, 1):
        remember(Inputs("synthped", world=world), SIZE, DataIdentity(f"{world:012}", ""), results)
    noted = read_note(results)
    height, width = SIZE
    assert noted[f"synthped {height}x{width}"]["fingerprint"] == "0" * 12
    assert recall(Inputs("synthped", world=1), SIZE, results).fingerprint == f"{1:012}"
    assert recall(Inputs("synthped", world=2), SIZE, results) is None
    assert recall(Inputs("synthped", world=1, part_maps="parser-s"), SIZE, results) is None


def test_the_worlds_of_a_data_set_differ_by_their_seed_alone_and_world_0_is_the_published_one():
    assert find_config("synthped") == SYNTHPED
    assert find_config("synthped-mini", 3) == replace(SYNTHPED_MINI, seed=3)
