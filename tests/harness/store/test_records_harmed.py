"""A results folder as strangers and accidents leave it: swapped, replaced, damaged, and each is one line or right."""

import os
import shutil
from contextlib import suppress

import pytest

from harness.inputs.identity import recall, remember
from harness.inputs.spec import DataIdentity, Inputs
from harness.store import record_file
from harness.store.checkpoints import Checkpoints, Interval
from harness.store.manifest import read_note
from harness.store.records import Finished, Results
from harness.store.row_index import AskedRow, asked_rows, note_rows
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.recorded_runs import checkpoint, complain, draw_run, write_finished, write_stage


def test_folders_put_back_under_each_others_names_count_as_missing(tmp_path):
    """As a backup put back wrongly leaves them: every file whole, and the numbers another row's."""
    said = []
    results = Results(tmp_path, said.append)
    one, two = draw_run("clip-reid"), draw_run("pi-vl")
    folders = [write_finished(results, run) for run in (one, two)]
    stages = [write_stage(results, two, stage) for stage in ("identity-prompts", "part-prompts")]
    for first, second in (folders, stages):
        first.rename(tmp_path / "aside")
        second.rename(first)
        (tmp_path / "aside").rename(second)
    assert [results.read_run(run.id) for run in (one, two)] == [None, None]
    assert [results.has_stage(folder.name) for folder in stages] == [False, False]
    assert list(results.records("runs")) == []
    assert said[0] == (
        f"{folders[0]}: it holds the record of {two.id}, swapped or copied here; it counts as missing, and run "
        "trains it again"
    )
    for read in (results.read_tensors, results.read_history):
        said.clear()
        with suppress(UserError):
            assert read(folders[0]) == []
        assert "it holds the record of" in said[0]


def test_the_record_of_a_run_is_no_record_of_its_reranking(tmp_path):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    shutil.copytree(write_finished(results, run), results.reranked_folder(run.id))
    assert results.read_reranked(run.id) is None
    assert f"it holds the record of {run.id}" in said[0]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("name", ["record.json", "queries.parquet", "history.jsonl", "model.safetensors", ""])
def test_what_is_no_file_counts_as_missing_and_gives_way(tmp_path, name, make):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    folder = write_finished(results, run)
    (folder / name).rename(tmp_path / "aside")
    make(folder / name)
    assert results.read_run(run.id) is None
    assert len(said) == (name != "")
    assert all("\n" not in line and run.id in line for line in said)
    write_finished(results, run)
    assert isinstance(results.read_run(run.id), Finished)


@pytest.mark.parametrize("name", ["runs", "stages", "tables", "claims"])
def test_a_file_in_the_place_of_a_folder_is_refused_before_any_training(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"{name} is no folder; name another place"):
        Results(tmp_path, complain).prepare()


def test_a_folder_where_a_tables_file_goes_is_refused_before_any_training(tmp_path):
    (tmp_path / "tables" / "ablation.md").mkdir(parents=True)
    with pytest.raises(UserError, match=r"ablation.md is a folder where a table's file goes; move it away"):
        Results(tmp_path, complain).prepare()


def said_and_read(root, read):
    """A reader for check_reader: what is warned of counts as refused, and is one line each."""

    def use(path):
        said = []
        found = read(Results(root, said.append))
        assert all("\n" not in line for line in said)
        if said:
            raise UserError(said[0])
        return found

    return use


@COUNTS
@pytest.mark.parametrize("name", ["record.json", "queries.parquet"])
def test_damaged_runs_are_one_line_or_right(tmp_path, name, count):
    run = draw_run()
    folder = write_finished(Results(tmp_path, complain), run)
    whole = Results(tmp_path, complain).read_run(run.id)

    def read(results):
        found = results.read_run(run.id)
        assert found is None or found.record == whole.record
        assert found is None or found.queries.equals(whole.queries)

    content = (folder / name).read_bytes()
    refused = check_reader(folder / name, content, said_and_read(tmp_path, read), count, folder.name)
    assert refused > 0.9 * count  # a blank more in JSON is no harm


@COUNTS
def test_scores_of_a_forger_are_one_line_or_read(tmp_path, count):
    """Damaged, and the record made to agree with it: Arrow itself has to refuse them."""
    run = draw_run()
    folder = write_finished(Results(tmp_path, complain), run)
    content, record = (folder / "queries.parquet").read_bytes(), record_file.read(folder)

    def read(results):
        mutant = (folder / "queries.parquet").read_bytes()
        record_file.fill(folder, record, {"queries.parquet": lambda path: path.write_bytes(mutant)})
        return results.read_run(run.id)

    check_reader(folder / "queries.parquet", content, said_and_read(tmp_path, read), count)


@COUNTS
@pytest.mark.parametrize("forged", [False, True])
def test_damaged_histories_are_one_line_or_right(tmp_path, count, forged):
    folder = write_finished(Results(tmp_path, complain), draw_run())
    content, record = (folder / "history.jsonl").read_bytes(), record_file.read(folder)

    def read(results):
        mutant = (folder / "history.jsonl").read_bytes()
        if forged:
            record_file.fill(folder, record, {"history.jsonl": lambda path: path.write_bytes(mutant)})
        return results.read_history(folder)

    check_reader(folder / "history.jsonl", content, said_and_read(tmp_path, read), count)


@COUNTS
@pytest.mark.parametrize("forged", [False, True])
def test_damaged_weights_of_a_run_are_one_line(tmp_path, count, forged):
    folder = write_finished(Results(tmp_path, complain), draw_run())
    content, record = (folder / "model.safetensors").read_bytes(), record_file.read(folder)

    def read(results):
        mutant = (folder / "model.safetensors").read_bytes()
        if forged:
            record_file.fill(folder, record, {"model.safetensors": lambda path: path.write_bytes(mutant)})
        return results.read_tensors(folder)

    check_reader(folder / "model.safetensors", content, said_and_read(tmp_path, read), count)


@COUNTS
def test_damaged_checkpoints_are_one_line_and_not_gone_on_from(tmp_path, count):
    """Under the name that their content asks for, so that the reader of the format has to refuse them."""
    folder = tmp_path / ("0" * 16)
    Checkpoints(folder, Interval(None), complain).write(checkpoint(3))
    (path,) = folder.iterdir()
    content = path.read_bytes()

    def read(mutant):
        from harness.store.checkpoints import _digest

        named = mutant.rename(folder / f"00000003-{_digest(mutant.read_bytes())}.safetensors")
        said = []
        found = Checkpoints(folder, Interval(None), said.append).read()
        named.rename(mutant)
        if said:
            raise UserError(said[0])
        return found

    check_reader(folder / "mutant.safetensors", content, read, count, names=folder.name)


@COUNTS
def test_damaged_lines_of_what_was_asked_are_said_and_left_out(tmp_path, count):
    results = Results(tmp_path, complain)
    rows = [
        AskedRow("ablation", "drawn", "0" * 12, row, row, {}, {"epochs": 8}, {0: row})
        for row in ("a", "b", "c")
    ]
    note_rows(rows, results)
    path = tmp_path / "asked.jsonl"

    def read(results):
        assert all(row in rows for row in asked_rows(results))

    check_reader(path, path.read_bytes(), said_and_read(tmp_path, read), count)


@COUNTS
def test_a_damaged_note_is_said_and_not_believed(tmp_path, count):
    found = DataIdentity("0" * 12, "1" * 12)
    remember(Inputs("drawn.csv"), (128, 64), found, Results(tmp_path, complain))
    path = tmp_path / "datasets.json"

    def read(results):
        assert recall(Inputs("drawn.csv"), (128, 64), results) in (None, found)

    check_reader(path, path.read_bytes(), said_and_read(tmp_path, read), count)


@pytest.mark.parametrize("name", ["datasets.json", "asked.jsonl"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_no_note(tmp_path, name, make):
    said = []
    make(tmp_path / name)
    results = Results(tmp_path, said.append)
    assert not (read_note(results) if name == "datasets.json" else asked_rows(results))
    assert len(said) == 1
    assert name in said[0]
