"""Records: named by what they are, whole or absent, and never believed when they are not as they were written."""

import json
import math
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from harness.inputs.spec import Inputs
from harness.plan.planner import make_plan
from harness.plan.task import Cell, Task
from harness.store.record_file import SCHEMA
from harness.store.records import Failed, Finished, Results
from pivl.errors import UserError
from pivl.recipe import Recipe
from tests.support.foreign_claims import named, put_down
from tests.support.recorded_runs import SIGNATURE, complain, draw_run, write_finished, write_stage

INPUTS = Inputs("drawn")


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def test_a_run_is_read_as_it_was_written(results):
    run = draw_run(seed=3)
    write_finished(results, run)
    found = results.read_run(run.id)
    assert isinstance(found, Finished)
    assert (found.id, found.seed, found.signature, found.commit) == (run.id, 3, SIGNATURE, "0123456789ab")
    assert found.metrics["mAP"] == pytest.approx(100 * found.queries["average_precision"].mean())
    assert math.isnan(found.metrics["part_margin"])  # what is not defined is null in the file
    assert results.read_run("0" * 16) is None


def test_each_choice_seed_data_and_weights_names_another_run():
    run = draw_run("pi-vl", global_text="tuned", own_loss="loss-0")  # which joint and a weight need
    others = [
        replace(run, seed=1),
        replace(run, fingerprint="1" * 12),
        replace(run, weights="0" * 64),
        *(replace(run, recipe=changed) for changed in one_change_each(run.recipe)),
    ]
    assert len({run.id, *(other.id for other in others)}) == 1 + len(others)
    assert replace(run, dataset="another name of the same images").id == run.id


def test_a_stage_is_named_by_the_choices_up_to_it_and_no_others():
    run = draw_run("pi-vl", global_text="tuned", own_loss="loss-0")  # which joint and a weight need
    for changed in one_change_each(run.recipe):
        (name,) = [
            one.name for one in fields(Recipe) if getattr(changed, one.name) != getattr(run.recipe, one.name)
        ]
        for stage in ("identity-prompts", "part-prompts"):
            same = replace(run, recipe=changed).stage_id(stage) == run.stage_id(stage)
            assert same == (name not in changed.stage_choices(stage)), (name, stage)


def one_change_each(recipe):
    """The recipe with each field changed alone, to a value that is legal."""
    legal = {"backbone": "rn50", "student": "mobilenetv2-0.25", "prompt_batch": 128, "images_per_person": 2}
    legal |= {"part_warmup_epochs": 3, "own_loss": "other-0", "own_head": "Head-0"}
    for one in fields(recipe):
        value = getattr(recipe, one.name)
        if get_origin(one.type) is Literal:
            legal[one.name] = next(other for other in get_args(one.type) if other != value)
        elif one.name not in legal:
            assert not isinstance(value, str), f"say which other value {one.name} may have"
            legal[one.name] = tuple(x * 2 for x in value) if isinstance(value, tuple) else value * 2 or 1
        yield replace(recipe, **{one.name: legal[one.name]})


@pytest.mark.parametrize("name", ["record.json", "queries.parquet"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_broken_run_is_said_in_one_line_and_counts_as_missing(tmp_path, name, harm):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    break_file(write_finished(results, run) / name, harm)
    assert results.read_run(run.id) is None
    if (name, harm) != ("record.json", "remove"):  # without a record there is no run to speak of
        assert len(said) == 1
        assert "\n" not in said[0]
        assert run.id in said[0]
    write_finished(results, run)
    assert isinstance(results.read_run(run.id), Finished)


@pytest.mark.parametrize("harm", ["cut", "remove"])
def test_removed_weights_are_no_fault_and_cut_ones_are(tmp_path, harm):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    break_file(write_finished(results, run) / "model.safetensors", harm)
    assert isinstance(results.read_run(run.id), Finished) == (harm == "remove")
    assert len(said) == (harm == "cut")
    assert results.find_run(run.id, with_weights=True) is None


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_broken_stage_is_not_started_from(tmp_path, harm):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    folder = write_stage(results, run, "identity-prompts")
    assert results.has_stage(folder.name)
    assert results.read_stage(folder.name)["tokens"].tolist() == [0, 1, 2, 3]
    break_file(folder / "model.safetensors", harm)
    assert not results.has_stage(folder.name)
    assert len(said) == 1


def break_file(path: Path, harm: str) -> None:
    content = bytearray(path.read_bytes())
    match harm:
        case "flip":
            digit = next(i for i in range(len(content) // 2, len(content)) if chr(content[i]).isdigit())
            content[digit] ^= 1  # still a digit: what is read stays well-formed, and wrong
            path.write_bytes(content)
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "remove":
            path.unlink()


def test_another_schema_is_named(tmp_path):
    said = []
    results = Results(tmp_path, said.append)
    run = draw_run()
    path = write_finished(results, run) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": SCHEMA + 1}))
    assert results.read_run(run.id) is None
    assert f"schema {SCHEMA + 1}" in said[0]


def test_two_processes_that_end_at_once_leave_one_whole_run(results):
    """The other's folder appears while ours is being filled, as when a killed command's worker ends after all."""
    run = draw_run()
    folder = results.run_folder(run.id)

    def overtaken(path: Path) -> None:
        path.write_bytes(b"ours")
        write_finished(results, run)

    results.write(
        folder, {"id": run.id, "status": "failed", "seed": 0, "error": "", "lines": []}, {"a": overtaken}
    )
    assert (folder / "a").read_bytes() == b"ours"
    assert isinstance(results.read_run(run.id), Failed)
    assert [path.name for path in folder.parent.iterdir()] == [run.id]


def test_an_interrupted_write_leaves_nothing_that_is_read(results):
    run = draw_run()
    with pytest.raises(KeyboardInterrupt):
        results.write(results.run_folder(run.id), {"id": run.id}, {"model.safetensors": interrupt})
    assert list((results.root / "runs").iterdir()) == []


def interrupt(path: Path) -> None:
    path.write_bytes(b"half")
    raise KeyboardInterrupt


def test_a_full_disk_is_one_line_and_what_stood_there_stays(results):
    """In a process of its own whose files may not exceed 1 kB, as a full disk would have it."""
    run = draw_run()
    folder = write_finished(results, run)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from harness.store.records import Results; from pivl.errors import UserError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "folder = Path(sys.argv[1]); results = Results(folder.parents[1], print)\n"
        "try: results.write(folder, {}, {'big': lambda path: path.write_bytes(bytes(100_000))})\n"
        "except UserError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert "cannot write" in said.stdout
    assert said.stdout.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        Results(tmp_path / "file", complain).prepare()
    if os.geteuid():  # root may write everywhere
        tmp_path.chmod(0o500)
        with pytest.raises(UserError, match="cannot write"):
            Results(tmp_path / "results", complain).prepare()
        tmp_path.chmod(0o700)


def test_what_a_killed_process_left_is_taken_away_and_what_one_writes_now_is_not(results, living):
    """At once where it can be seen that the process is gone, and else when nobody would still be writing."""
    run = draw_run()
    write_finished(results, run)
    writer = named(living)
    names = {
        "gone": f".{run.id}.@{replace(writer, born='1')}@x",
        "old": f".{run.id}.@{replace(writer, machine='elsewhere')}@x",
        "new": f".{run.id}.@{replace(writer, machine='elsewhere')}@y",
        "ours": f".{run.id}.@{writer}@x",
    }
    left = {what: results.root / "runs" / name for what, name in names.items()}
    for folder in left.values():
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    (results.root / f".datasets.json.@{replace(writer, born='1')}@x.json").touch()
    put_down(results.claims, replace(writer, born="1"))
    os.utime(left["old"], (1000, 1000))
    results.prepare()
    assert {what for what, folder in left.items() if folder.exists()} == {"new", "ours"}
    assert {path.name for path in results.root.iterdir()} == {"runs", "claims"}
    assert results.claims.owners() == []
    assert isinstance(results.read_run(run.id), Finished)


def test_rows_share_stages_and_each_is_planned_once(results):
    cells = [Cell(row, row, draw_run(row, seed), INPUTS) for row in ROWS for seed in (0, 1)]
    plan = make_plan(cells, results, False)
    names = [task.name for task in plan.tasks]
    assert sorted(names[:4]) == [
        "identity-prompts, seed 0", "identity-prompts, seed 1", "part-prompts, seed 0", "part-prompts, seed 1",
    ]  # fmt: skip
    assert names[4:] == [f"{row}, seed {seed}" for row in ROWS for seed in (0, 1)]
    place = {task.id: number for number, task in enumerate(plan.tasks)}
    assert all(place[need] < place[task.id] for task in plan.tasks for need in task.needs)
    assert [len(task.needs) for task in plan.tasks if task.name.endswith("0")] == [0, 1, 1, 1, 2, 2]


ROWS = ("clip-reid", "part-labels", "identity-parts", "pi-vl")


def test_what_is_recorded_is_not_planned_again(results):
    cells = [Cell(row, row, draw_run(row), INPUTS) for row in ROWS]
    write_finished(results, cells[0].run)
    write_stage(results, cells[0].run, "identity-prompts")
    failed = {
        "id": cells[1].run.id,
        "status": "failed",
        "seed": 0,
        "error": "it broke",
        "lines": ["last", "words"],
    }
    results.write(results.run_folder(cells[1].run.id), failed, {})
    assert results.read_run(cells[1].run.id) == Failed(cells[1].run.id, 0, "it broke", ("last", "words"))
    plan = make_plan(cells, results, False)
    assert [task.name for task in plan.tasks] == [
        "part-prompts, seed 0",
        "identity-parts, seed 0",
        "pi-vl, seed 0",
    ]
    again = make_plan(cells, results, True)
    assert next(task.name for task in again.tasks if task.is_run) == "part-labels, seed 0"


def test_a_task_comes_through_json_unchanged(results):
    for task in make_plan([Cell("pi-vl", "PI-VL", draw_run("pi-vl"), INPUTS)], results, False).tasks:
        assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
