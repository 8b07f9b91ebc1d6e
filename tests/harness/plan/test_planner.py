"""A plan has worlds apart, and with `--redo` once more, with its stages, what other code made of a row."""

import json
import shutil
from dataclasses import replace
from functools import partial

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.plan.planner import make_plan
from harness.store.record_file import WEIGHTS
from harness.store.records import QUERIES, Results
from harness.system.code_digest import code_digest
from pivl.errors import UserError
from tests.support.commands import run_main
from tests.support.recorded_experiments import drawn_cells, note_data
from tests.support.recorded_runs import complain, write_finished, write_stage

OTHER, TODAY = ["0123456789ab"], [code_digest()]


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def record(results, codes, stage_codes=OTHER, **typed):
    """The cells of an ablation whose rows are recorded with the code that `codes` says, OTHER where it says none."""
    experiment = resolve(Request("ablation", seeds="0", **typed), device="cpu")
    note_data(experiment, results)
    cells = drawn_cells(experiment, results)
    for cell in cells:
        for stage in cell.run.recipe.stages()[:-1]:
            write_stage(results, cell.run, stage, codes=stage_codes)
        write_finished(results, cell.run, codes=codes.get(cell.row, OTHER))
    return cells


def planned(cells, results, **options):
    return [task.name for task in make_plan(cells, results, retry_failed=False, **options).tasks]


def test_a_row_by_other_code_is_done_again_with_its_stages_and_no_other_row_is(results):
    record(results, {"clip-reid": TODAY})
    redone = drawn_cells(
        resolve(Request("ablation", seeds="0", redo="clip-reid,part-labels"), device="cpu"), results
    )
    assert planned(redone, results) == ["identity-prompts, seed 0", "+ part labels, seed 0"]
    plan = make_plan(redone, results, retry_failed=False)
    assert [task.redo for task in plan.tasks] == [True, True]
    assert plan.tasks[1].needs == (plan.tasks[0].id,)
    assert not any(task.is_stored(results) for task in plan.tasks)
    plain = [replace(task, redo=False) for task in plan.tasks]
    assert all(task.is_stored(results) for task in plain)


def test_what_is_of_todays_code_is_not_done_twice(results):
    cells = record(results, {"part-labels": TODAY}, stage_codes=TODAY, redo="part-labels")
    assert planned(cells, results) == []
    run = next(cell.run for cell in cells if cell.row == "part-labels")
    write_finished(results, run, codes=[*OTHER, *TODAY])  # as a run on a stage of other code
    assert planned(cells, results) == ["+ part labels, seed 0"]
    write_finished(results, run)  # from before records had a digest
    assert planned(cells, results) == ["+ part labels, seed 0"]


def test_a_run_without_weights_is_finished_until_it_is_redone(results):
    cells = record(results, {"part-labels": TODAY}, stage_codes=TODAY)
    run = next(cell.run for cell in cells if cell.row == "part-labels")
    (results.run_folder(run.id) / WEIGHTS).unlink()
    assert planned(cells, results) == []
    with pytest.raises(UserError, match=r"1 runs of part-labels have no weights.*--redo part-labels trains"):
        planned(cells, results, rerank=True)
    said = Results(results.root, lambda text: None)
    redone = [replace(cell, redo=cell.row == "part-labels") for cell in cells]
    (task,) = make_plan(redone, said, retry_failed=False).tasks
    assert (task.name, task.is_stored(said)) == ("+ part labels, seed 0", False)
    write_finished(results, run, codes=TODAY)
    assert task.is_stored(results)
    assert planned(redone, results) == []


def test_a_redone_run_is_ranked_again(results):
    cells = record(results, {}, stage_codes=TODAY, redo="part-labels", rerank=True)
    for folder in map(results.run_folder, [cell.run.id for cell in cells]):
        copy = {QUERIES: partial(shutil.copyfile, folder / QUERIES)}
        results.write(
            results.reranked_folder(folder.name),
            {**results.read_record(folder), "id": f"{folder.name}-reranked"},
            copy,
        )
    assert planned(cells, results, rerank=True) == [
        "+ part labels, seed 0",
        "+ part labels, re-ranked, seed 0",
    ]


def test_table_and_plan_name_the_rows_by_other_code(results, capsys):
    record(results, {"clip-reid": TODAY, "pi-vl": TODAY})
    place = ("ablation", "--seeds", "0", "--results", str(results.root))
    assert run_main("table", *place) == 0
    told = f"**Trained by other code** than is installed ({TODAY[0]}): part-labels, identity-parts. "
    assert told in capsys.readouterr().out
    assert run_main("table", *place, "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["by_other_code"] for row in rows] == [False, True, True, False]
    assert run_main("plan", *place) == 0
    said = capsys.readouterr().out
    assert "finished by other code: part-labels, identity-parts (--redo ROW does a row again)" in said
    assert run_main("plan", *place, "--redo", "identity-parts") == 0
    assert "3 of 4 runs are finished, 1 to do" in capsys.readouterr().out


def test_a_table_of_todays_code_says_nothing(results, capsys):
    record(results, dict.fromkeys(("clip-reid", "part-labels", "identity-parts", "pi-vl"), TODAY), TODAY)
    for command in ("table", "plan"):
        assert run_main(command, "ablation", "--seeds", "0", "--results", str(results.root)) == 0
        assert "other code" not in capsys.readouterr().out


def test_rows_that_are_none_or_not_asked_for_are_told():
    with pytest.raises(UserError, match="unknown row 'clip'"):
        resolve(Request("ablation", redo="clip"))
    with pytest.raises(UserError, match="unknown row 'pi-vl'; known: clip-reid"):
        resolve(Request("ablation", rows="clip-reid", redo="pi-vl"))
    with pytest.raises(UserError, match="--redo: each study of all has rows of its own"):
        resolve_all(Request("all", redo="pi-vl"))


def test_runs_and_stages_of_another_world_are_others_and_say_so(results):
    both = resolve_all(Request("ablation", rows="clip-reid", seeds="0", worlds="0-1"), device="cpu")
    tasks = make_plan([cell for one in both for cell in drawn_cells(one, results)], results, False).tasks
    names = ["identity-prompts{}, seed 0", "CLIP-ReID{}, seed 0"]
    assert [task.name for task in tasks] == [
        name.format(world) for name in names for world in ("", ", world 1")
    ]
    assert [task.inputs.world for task in tasks] == [0, 1, 0, 1]
    assert len({task.id for task in tasks}) == 4
    for stage, run in zip(tasks[:2], tasks[2:], strict=True):
        assert run.needs == (stage.id,)


def test_worlds_that_nobody_has_drawn_yet_are_planned_apart(results, capsys):
    worlds = ("--worlds", "0-2", "--seeds", "0", "--results", str(results.root))
    assert run_main("plan", "ablation", *worlds, "--format", "json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["open"]["runs"] == 3 * 4
    assert [item["world"] for item in planned["runs"]] == [0] * 4 + [1] * 4 + [2] * 4
