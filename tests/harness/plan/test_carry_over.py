"""Results that were named by sizes of files are found under names that hash their bytes, or a line says why not."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs import identity
from harness.plan import preparation
from harness.plan.preparation import note_asked
from harness.report import study_table
from harness.store.records import Finished, Results
from harness.store.row_index import asked_rows
from pivl.data.cache.decode import decode
from pivl.data.datasets import by_size, catalog
from tests.support.bmp_people import (
    BMP_ROWS,
    QUIET,
    ask_about,
    draw_picture,
    replace_keeping_the_date,
    replace_map,
    replace_picture,
    write_people,
)
from tests.support.recorded_experiments import record_before
from tests.support.recorded_runs import complain, write_failed
from tests.support.small_datasets import write_map


def read_all(experiment: Experiment, results: Results) -> dict[str, dict[int, object]]:
    return study_table.read_outcomes(experiment, results, QUIET)


@pytest.fixture
def results(tmp_path, cache):
    return Results(tmp_path / "results", complain)


def stored(results: Results) -> set[str]:
    return {
        f"{kind}/{path.name}"
        for kind in ("runs", "stages", "reranked")
        for path in (results.root / kind).glob("*")
    }


def test_results_of_before_are_found_under_new_names_with_nothing_else_changed(tmp_path, results, capsys):
    experiment = ask_about(write_people(tmp_path / "data"))
    cells = record_before(experiment, results)
    note_asked(experiment, cells, results)
    before = {cell.row: results.read_run(cell.run.id) for cell in cells}
    names = stored(results)
    tensors = {cell.row: results.read_tensors(results.run_folder(cell.run.id)) for cell in cells}
    progress = Progress.on_stderr(quiet=False)
    read = study_table.read_outcomes(experiment, results, progress)
    assert capsys.readouterr().err == (
        "people: 4 results named by sizes of files are carried over to names that hash their bytes; nothing is trained "
        "again for it\n"
    )
    assert len(stored(results)) == len(names) == 4
    assert not stored(results) & names
    for row, old in before.items():
        new = read[row][0]
        assert isinstance(new, Finished)
        assert new.record["metrics"] == old.record["metrics"]
        assert new.queries.equals(old.queries)
        assert new.record["formerly"] == old.id != new.id
        assert new.record["inputs"] == old.record["inputs"]
        assert new.signature == f"mAP|people@{new.record['fingerprint'][:6]}|q12" != old.signature
        assert results.read_tensors(results.run_folder(new.id)).keys() == tensors[row].keys()
        assert all(results.has_stage(stage) for stage in new.record["stages"].values())
    assert not preparation.foresee([experiment], results, QUIET, retry_failed=False).plan.tasks
    names = stored(results)
    assert read_all(experiment, results).keys() == read.keys()
    assert stored(results) == names  # once
    rows = [
        row
        for row in asked_rows(results)
        if set(row.runs.values()) <= {found[0].id for found in read.values()}
    ]
    assert {row.fingerprint for row in rows} == {read["pi-vl"][0].record["fingerprint"]}
    with pytest.raises(SystemExit) as ended:
        main(["results", "check", "--results", str(results.root), "--quiet"])
    assert (ended.value.code, capsys.readouterr().out) == (0, "2 runs, 2 stages: no problems\n")


def test_a_table_that_names_no_folder_finds_them_too(tmp_path, results):
    csv = write_people(tmp_path / "data")
    cells = record_before(ask_about(csv), results)
    former = preparation.find_data(ask_about(csv), ask_about(csv).inputs, results, QUIET).former
    identity.remember(ask_about(csv).inputs, (128, 64), former, results)
    read = read_all(ask_about(csv, maps=False), results)
    assert {row: found[0].record["formerly"] for row, found in read.items()} == {
        cell.row: cell.run.id for cell in cells
    }
    shutil.rmtree(tmp_path / "data")  # the pictures are no longer at hand, and their note says what they were
    again = read_all(ask_about(csv, maps=False), results)
    assert {found[0].id for found in again.values()} == {found[0].id for found in read.values()}


@pytest.mark.parametrize(
    ("harm", "carried"),
    [
        (lambda csv: None, {"clip-reid", "pi-vl"}),
        (replace_picture, set()),
        (replace_keeping_the_date, set()),
        (replace_map, {"clip-reid"}),  # which sees none
        (Path.touch, {"clip-reid", "pi-vl"}),  # what the csv says is in the fingerprint, whatever its date
    ],
)
def test_what_was_changed_since_is_left_behind_with_a_line(tmp_path, results, harm, carried):
    csv = write_people(tmp_path / "data")
    experiment, now = ask_about(csv), datetime.now(UTC)
    record_before(experiment, results, now.isoformat())
    names = stored(results)
    harm(csv)
    said: list[str] = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    read = study_table.read_outcomes(experiment, results, progress)
    assert {row for row, found in read.items() if found[0]} == carried
    assert len(stored(results) & names) == len(names) - (4 if len(carried) == 2 else 2 * len(carried))
    when = now.isoformat(sep=" ", timespec="seconds")
    assert all(f" was changed after {when}, when they began" in line for line in said)
    assert bool(said) == (len(carried) < 2)


def test_a_copy_of_equal_sizes_elsewhere_has_results_of_its_own(tmp_path, results):
    record_before(ask_about(write_people(tmp_path / "data")), results)
    other = write_people(tmp_path / "other")
    for number, row in enumerate(BMP_ROWS):
        draw_picture(tmp_path / "other" / row.split(",")[0], 100 + number)
    said: list[str] = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    read = study_table.read_outcomes(ask_about(other), results, progress)
    assert [found[0] for found in read.values()] == [None, None]
    assert said[0] == (
        "people: 4 results named by sizes of files are left behind and made again by run: they were made of files in "
        f"{tmp_path / 'data'}"
    )


@pytest.mark.parametrize("what", ["the same", "other images", "other maps"])
def test_pixels_that_were_decoded_then_prove_what_was_trained_on(tmp_path, results, cache, what):
    """A former version trained on what its cache had under equal sizes, whatever the folder held by then."""
    csv = write_people(tmp_path / "data")
    experiment = ask_about(csv)
    listing, maps = catalog.survey(str(csv), None, csv.parent / "maps")
    caches = [
        *by_size.picture_caches(listing, experiment.size),
        *by_size.map_caches(listing, maps, False, experiment.size),
    ]
    decode([before for before, _ in caches])
    if what == "other images":
        replace_picture(csv)
    if what == "other maps":
        size = (csv.parent / "maps" / "1.png").stat().st_size
        write_map(csv.parent / "maps" / "1.png", label=7)
        assert (csv.parent / "maps" / "1.png").stat().st_size == size
    cells = record_before(experiment, results)  # after the harm
    said: list[str] = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    read = study_table.read_outcomes(experiment, results, progress)
    found = {row: seeds[0] and seeds[0].record["formerly"] for row, seeds in read.items()}
    wanted = {cell.row: cell.run.id for cell in cells}
    if what == "other images":
        wanted = dict.fromkeys(wanted)
    if what == "other maps":
        wanted["pi-vl"] = None  # CLIP-ReID sees none
    assert found == wanted
    assert all("they were made of other pixels, which " in line for line in said)
    assert bool(said) == (what != "the same")
    listing, maps = catalog.survey(str(csv), None, csv.parent / "maps")
    now = by_size.picture_caches(listing, experiment.size)[0][1]
    assert now.path.exists() == (what != "other images")  # pixels that are right are not decoded again


def test_a_move_that_was_killed_is_finished_by_the_next_command(tmp_path, results, monkeypatch):
    experiment = ask_about(write_people(tmp_path / "data"))
    record_before(experiment, results)
    names = stored(results)
    for _ in range(4):  # killed after each folder was written and before the one of before went
        with monkeypatch.context() as killed:
            killed.setattr(
                "harness.plan.carry_over.remove_folder", lambda folder: exec("raise KeyboardInterrupt")
            )
            with pytest.raises(KeyboardInterrupt):
                read_all(experiment, results)
        assert len(stored(results) - names) in (1, 2, 3, 4)
        assert names & stored(results)
    read = read_all(experiment, results)
    assert all(isinstance(found[0], Finished) for found in read.values())
    assert len(stored(results)) == 4
    assert not names & stored(results)


def test_failed_and_damaged_results_are_left_behind(tmp_path, results):
    experiment = ask_about(write_people(tmp_path / "data"))
    record_before(experiment, results, write=write_failed)
    said: list[str] = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    assert [found[0] for found in study_table.read_outcomes(experiment, results, progress).values()] == [
        None,
        None,
    ]
    assert "2 results named by sizes of files are left behind and made again by run: failed runs" in said[0]
    shutil.rmtree(results.root)
    (first, _), results = record_before(experiment, results), replace(results, warn=said.append)
    path = results.run_folder(first.run.id) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    read = study_table.read_outcomes(experiment, results, progress)
    assert read["clip-reid"][0] is None
    assert isinstance(read["pi-vl"][0], Finished)
    assert said[-1].endswith("they are not as they were written")


def test_reranked_scores_and_proven_checkpoints_come_along(tmp_path, results):
    csv = write_people(tmp_path / "data")
    experiment = ask_about(csv)
    cells = record_before(experiment, results)
    for cell in cells:
        folder = results.reranked_folder(cell.run.id)
        shutil.copytree(results.run_folder(cell.run.id), folder)
        record = results.read_record(results.run_folder(cell.run.id))
        results.write(
            folder, {**record, "id": f"{cell.run.id}-reranked"},
            {name: lambda path, name=name, cell=cell: shutil.copy(results.run_folder(cell.run.id) / name, path)
             for name in record["files"]},
        )  # fmt: skip
    stage = cells[0].run.stage_id("identity-prompts")
    shutil.rmtree(results.stage_folder(stage))
    results.checkpoint_folder(stage).mkdir(parents=True)
    (results.checkpoint_folder(stage) / "kept").write_text("x")
    former = preparation.find_data(experiment, experiment.inputs, results, QUIET).former
    identity.remember(experiment.inputs, experiment.size, former, results)
    listing, _ = catalog.survey(str(csv), None, csv.parent / "maps")
    decode([before for before, _ in by_size.picture_caches(listing, experiment.size)])
    read = read_all(replace(experiment, rerank=True), results)
    assert all(isinstance(found[0], Finished) for found in read.values())
    assert results.read_record(results.reranked_folder(read["pi-vl"][0].id))["id"].endswith("-reranked")
    new = read["clip-reid"][0].record["stages"]["identity-prompts"]
    assert (results.checkpoint_folder(new) / "kept").read_text() == "x"
    assert (
        json.loads((results.root / "datasets.json").read_text())["entries"][str(csv)]["fingerprint"]
        != former.fingerprint
    )


def test_results_that_cannot_be_written_cost_a_line(tmp_path, results, monkeypatch):
    experiment = ask_about(write_people(tmp_path / "data"))
    record_before(experiment, results)
    said: list[str] = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    (results.root / "claims").write_text("no folder")
    read = study_table.read_outcomes(experiment, results, progress)
    assert [found[0] for found in read.values()] == [None, None]
    assert said[0].startswith("results of an earlier version are not taken over: cannot write ")
