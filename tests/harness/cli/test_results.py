"""A results folder as a whole: every damaged file is found and said in one line, and what is removed was meant."""

import json
import sqlite3
from dataclasses import replace

import pytest

from harness.cli.main import main
from harness.inputs.identity import recall, remember
from harness.inputs.spec import DataIdentity, Inputs
from harness.store import kept_tables, record_file
from harness.store.checkpoints import Checkpoints, Interval
from harness.store.records import Results
from pivl.errors import UserError
from tests.support.foreign_claims import named, put_down
from tests.support.recorded_runs import checkpoint, complain, draw_run, write_finished, write_stage


@pytest.fixture
def results(tmp_path):
    """Two runs that share a stage, one of another row with a stage of its own, one that failed."""
    results = Results(tmp_path / "results", complain)
    for row, seed in (("clip-reid", 0), ("part-labels", 0), ("identity-parts", 0)):
        write_finished(results, draw_run(row, seed))
    write_stage(results, draw_run(), "identity-prompts")
    write_stage(results, draw_run("identity-parts"), "part-prompts")
    results.write_failure(draw_run(seed=1), "it broke", ())
    remember(Inputs("drawn.csv"), (128, 64), DataIdentity("0" * 12, "1" * 12), results)
    folder = results.checkpoint_folder(draw_run(seed=2).id)
    Checkpoints(folder, Interval(None), complain).write(checkpoint(4))
    kept_tables.keep("ablation.md", lambda path: path.write_text("| 1.0 |"), results)
    with sqlite3.connect(results.root / "mlflow.db") as database:
        database.execute("create table runs (name text)")
        database.execute("create table alembic_version (version_num text)")
        database.executemany("insert into runs values (?)", [("x" * 100,)] * 200)
    database.close()
    return results


@pytest.fixture
def typed(results, capsys):
    """A function that runs `pivl-bench results ...`: status, standard output and error."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["results", *words, "--results", str(results.root)])
        told = capsys.readouterr()
        return end.value.code, told.out, told.err

    return run


def test_a_sound_folder_has_no_problem(typed):
    assert typed("check", "--quiet") == (0, "4 runs, 2 stages, 1 checkpoints: no problems\n", "")


def test_what_cannot_be_measured_is_a_line(typed):
    status, out, err = typed("measure", "--quiet", "--device", "cpu")
    assert (status, out) == (1, "measured 0 of 3 runs that had no health\n")
    assert err.count("\n") == 3
    assert "the record does not say where its data lie" in err


def flip(path):
    """Turn one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


KINDS = [
    "runs/{run}/record.json",
    "runs/{run}/queries.parquet",
    "runs/{run}/history.jsonl",
    "runs/{run}/model.safetensors",
    "stages/{stage}/record.json",
    "stages/{stage}/model.safetensors",
    "checkpoints/{underway}/*.safetensors",
    "datasets.json",
    "tables/ablation.md",
    "tables/checksums.json",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_in_each_kind_of_file_and_nothing_is_changed(results, typed, kind):
    run, stage, underway = draw_run().id, draw_run().stage_id("identity-prompts"), draw_run(seed=2).id
    (path,) = results.root.glob(kind.format(run=run, stage=stage, underway=underway))
    flip(path)
    before = {one: one.read_bytes() for one in results.root.rglob("*") if one.is_file()}
    status, out, err = typed("check", "--quiet")
    assert (status, err) == (1, "")
    problem, summary = out.splitlines()
    assert problem.startswith(
        str(path if kind.startswith(("datasets", "checkpoints", "tables")) else path.parent)
    )
    assert summary.endswith(": 1 problem")
    assert {one: one.read_bytes() for one in results.root.rglob("*") if one.is_file()} == before


def test_a_damaged_database_of_mlflow_is_found(results, typed):
    path = results.root / "mlflow.db"
    path.write_bytes(path.read_bytes()[:9000])
    status, out, _ = typed("check", "--quiet")
    assert status == 1
    assert "mlflow.db: " in out
    assert "made again from records" in out
    assert out.count("\n") == 2


def test_what_does_not_belong_is_found(results, typed, living):
    run = draw_run()
    (results.run_folder(run.id) / "notes.txt").write_text("mine")
    (results.root / "runs" / "empty").mkdir()
    results.run_folder(draw_run("part-labels").id).rename(results.root / "runs" / ("0" * 16))
    gone = replace(named(living), born="1")
    for writer in (named(living), gone):
        (results.root / "runs" / f".{run.id}.@{writer}@x").mkdir()
    put_down(results.claims, named(living), "another task")
    dead = put_down(results.claims, gone)
    status, out, _ = typed("check", "--quiet")
    assert status == 1
    for said in (
        "notes.txt: no record names it",
        "empty: record.json is missing",
        "holds the record of",
        dead.name,
    ):
        assert said in out
    assert out.count("left half written by a process that was killed") == 1
    assert out.splitlines()[-1].endswith(": 5 problems")


def test_a_run_is_removed_after_asking_with_what_only_it_starts_from(results, typed, monkeypatch):
    run = draw_run("identity-parts")
    asked, answers = [], [False, True]
    monkeypatch.setattr("click.confirm", lambda text, err: asked.append(text) or answers.pop(0))
    assert typed("rm", run.id) == (1, "", "")
    assert results.run_folder(run.id).exists()
    assert typed("rm", run.id) == (0, "removed 1 runs, 1 stages\n", "")
    assert asked == [f"Remove 1 runs, 1 stages (0.0 MB) from {results.root}?"] * 2
    assert results.read_run(run.id) is None
    assert not results.has_stage(run.stage_id("part-prompts"))
    assert results.has_stage(draw_run().stage_id("identity-prompts"))  # others start from it
    assert sorted(path.name for path in results.root.glob("*/.*")) == []


def test_weights_alone_are_removed_and_that_is_a_note(results, typed):
    run = draw_run("identity-parts")
    assert typed("rm", run.id, "--only-weights", "--yes") == (0, "removed weights of 1 runs\n", "")
    assert results.read_run(run.id).metrics
    assert results.has_stage(run.stage_id("part-prompts"))
    assert typed("check", "--quiet") == (
        0,
        f"note: {results.run_folder(run.id)}: no weights; its scores are whole, and run --redo ROW trains it again\n"
        "4 runs, 2 stages, 1 checkpoints: no problems, 1 without weights\n",
        "",
    )
    status, _, err = typed("rm", run.id, "--only-weights", "--yes")
    assert (status, err) == (2, f"pivl-bench: {results.root}: no weights are stored of {run.id}\n")
    with pytest.raises(
        UserError, match=rf"{run.id}: its weights, .* not there; pivl-bench run STUDY --redo ROW"
    ):
        results.read_tensors(results.run_folder(run.id))


def test_a_stage_without_weights_is_a_note_and_not_started_from(results, typed):
    folder = results.stage_folder(draw_run().stage_id("identity-prompts"))
    (folder / "model.safetensors").unlink()
    status, out, _ = typed("check", "--quiet")
    assert (status, out.count("note: "), out.count("when a run needs it")) == (0, 1, 1)
    assert not Results(results.root, lambda text: None).has_stage(folder.name)


def test_a_run_that_is_being_done_is_not_removed(results, typed, living):
    run = draw_run()
    owner = put_down(results.claims, named(living), run.id)
    status, _, err = typed("rm", run.id, draw_run("part-labels").id, "--yes")
    assert status == 2
    assert f"{run.id} is being done by {owner}; nothing was removed" in err
    assert results.read_run(run.id) is not None
    assert results.read_run(draw_run("part-labels").id) is not None
    assert [one.task for one in results.claims.owners()] == [run.id]


def test_folders_that_were_swapped_are_found_and_a_table_shows_neither(results, typed):
    one, two = (results.run_folder(draw_run(row).id) for row in ("clip-reid", "part-labels"))
    one.rename(results.root / "aside")
    two.rename(one)
    (results.root / "aside").rename(two)
    status, out, _ = typed("check", "--quiet")
    assert status == 1
    assert out.count("it holds the record of") == 2
    assert f"{one}: it holds the record of {two.name}, swapped or copied here; it counts as missing" in out


def test_a_checkpoint_of_another_task_is_found(results, typed):
    (folder,) = (results.root / "checkpoints").iterdir()
    folder.rename(folder.with_name("f" * 16))
    status, out, _ = typed("check", "--quiet")
    assert status == 1
    assert f"is of {folder.name}, swapped or copied here; run continues from the checkpoint before it" in out


def test_a_record_whose_seed_was_changed_with_its_checksum_is_found(results, typed):
    """Its id is the hash of what it says, and a forger of checksums would have to forge that."""
    folder = results.run_folder(draw_run().id)
    record = record_file.read(folder)
    queries = (folder / "queries.parquet").read_bytes()
    record_file.fill(
        folder, {**record, "seed": 7}, {"queries.parquet": lambda path: path.write_bytes(queries)}
    )
    status, out, _ = typed("check", "--quiet")
    assert status == 1
    assert (
        f"{folder}: its recipe, data, weights and seed are those of {draw_run(seed=7).id}, not as run wrote"
        in out
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rm", "f" * 16), "no run or stage of"),
        (("rm",), "nothing to remove; name run ids, or --study NAME"),
        (("rm", "--study", "ablatoin"), "did you mean 'ablation'?"),
    ],
)
def test_a_mistake_is_one_line(typed, words, said):
    status, _, err = typed(*words)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_broken_run_can_be_removed_by_its_id(results, typed):
    flip(results.run_folder(draw_run().id) / "record.json")
    assert typed("rm", draw_run().id, "--yes")[0] == 0
    assert not results.run_folder(draw_run().id).exists()


def test_a_damaged_note_is_said_and_not_believed(results):
    said = []
    path = results.root / "datasets.json"
    text = path.read_text()
    path.write_text(text.replace("0" * 12, "0" * 11 + "1"))
    assert recall(Inputs("drawn.csv"), (128, 64), Results(results.root, said.append)) is None
    assert len(said) == 1
    remember(
        Inputs("drawn.csv"), (128, 64), DataIdentity("0" * 12, "1" * 12), Results(results.root, said.append)
    )
    assert path.read_text() == text
    assert json.loads(text)["entries"]["drawn.csv"]["fingerprint"] == "0" * 12


def test_a_damaged_history_leaves_its_curves_out(results):
    said = []
    folder = results.run_folder(draw_run().id)
    flip(folder / "history.jsonl")
    assert Results(results.root, said.append).read_history(folder) == []
    assert said == [f"{folder}: history.jsonl is damaged; its curves are left out"]


def test_a_damaged_model_is_not_scored(results):
    folder = results.run_folder(draw_run().id)
    flip(folder / "model.safetensors")
    with pytest.raises(UserError, match=f"results rm {folder.name}"):
        results.read_tensors(folder)
