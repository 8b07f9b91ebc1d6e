"""Results on a public data set are carried over where its folder is named, and found afterwards where it is not."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from harness.experiment.experiment import Experiment
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity
from harness.plan import preparation
from harness.report import study_table
from harness.store.records import Results
from pivl.data.datasets import by_size, catalog
from pivl.data.listing import fingerprint
from pivl.data.part_maps.confidence import beside
from tests.support.bmp_people import QUIET
from tests.support.recorded_runs import complain, write_finished
from tests.support.small_datasets import write_market, write_market_maps


def ask_about(root=None, maps=None) -> Experiment:
    return resolve(
        Request(
            "ablation", "smoke", rows="clip-reid,pi-vl", seeds="0", dataset="market1501", backbone="tiny",
            data_root=root, part_maps=maps, precision="fp32", allow_partial=True,
            overrides=("people_per_batch=2", "prompt_batch=8"),
        )
    )  # fmt: skip


def test_what_the_note_names_changes_its_name_with_it(tmp_path, cache):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps)
    results, named = Results(tmp_path / "results", complain), ask_about(root, maps)
    found = preparation.find_data(named, named.inputs, results, QUIET)
    cells = preparation.lay_out(named, named.shown, {named.inputs: found.former}, results)
    date = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for cell in cells:
        write_finished(results, cell.run, inputs=asdict(cell.inputs), date=date)
    identity.remember(named.inputs, named.size, found.former, results)

    def read(experiment: Experiment) -> set[tuple[str, str | None]]:
        answer = study_table.read_outcomes(experiment, results, QUIET)
        return {(seeds[0].id, seeds[0].record.get("formerly")) for seeds in answer.values()}

    assert read(ask_about()) == {
        (cell.run.id, None) for cell in cells
    }  # no folder is named: as runs noted it
    carried = read(named)
    assert {formerly for _, formerly in carried} == {cell.run.id for cell in cells}
    assert read(ask_about()) == carried


def test_confidence_has_sizes_in_the_names_of_before(tmp_path, cache):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps)
    for path in maps.glob("*.png"):
        beside(path).write_bytes(b"of one size")
    listing, found = catalog.survey("market1501", root, maps, allow_partial=True)
    before = by_size.list_by_size(listing), by_size.map_by_size(found)
    marks = [catalog.digest_maps(*before, True), catalog.digest_maps(listing, found, True)]
    beside(next(maps.glob("*.png"))).write_bytes(b"of the same")
    assert catalog.digest_maps(*before, True) == marks[0]
    assert catalog.digest_maps(listing, found, True) != marks[1]
    assert fingerprint(listing) != fingerprint(before[0])
