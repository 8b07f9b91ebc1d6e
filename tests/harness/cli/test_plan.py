"""`plan` says what would be done and `recipe` by which settings, in Markdown and JSON; they start nothing."""

import json
import time

import pytest

from harness.cli.main import main
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity as identity_module
from harness.store.records import Results
from pivl.recipe import Recipe
from studies.catalog import STUDIES
from tests.support.commands import run_code, run_main
from tests.support.recorded_experiments import FOUND, drawn_cells, note_data, record_all
from tests.support.recorded_runs import complain


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def plan(results, *typed):
    """The exit status of `plan` on `results`."""
    with pytest.raises(SystemExit) as end:
        main(["plan", *typed, "--results", str(results.root)])
    return end.value.code


def test_nothing_is_started_nor_rendered_and_ids_wait_for_the_pictures(results, cache, capsys):
    assert plan(results, "all") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "run ids are known once `run` has rendered the images" in told.out
    assert "| Run" not in told.out
    assert "1,140" in told.out  # the work is known all the same
    assert {path.name for path in cache.glob("*")} <= {"digests"}  # of weights; nothing is rendered
    assert not results.root.exists()


def test_json_says_the_same_and_null_for_what_is_not_known(results, cache, capsys):
    assert plan(results, "ablation", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {run["id"] for run in document["runs"]} == {None}
    note_data(resolve(Request("ablation")), results)
    assert plan(results, "ablation", "--format", "json", "--jobs", "3") == 0
    document = json.loads(capsys.readouterr().out)
    experiment = resolve(Request("ablation"))
    ids = [cell.run.id for cell in drawn_cells(experiment, results)]
    assert [run["id"] for run in document["runs"]] == ids
    assert document["open"]["runs"] == len(ids)
    assert document["open"]["stages"] == 2 * len(experiment.seeds)
    assert document["open"]["seconds"] is None
    assert document["runs_at_a_time"] == 3
    stage = document["stages"][0]
    assert (stage["stage"], stage["work"]["steps"], stage["saved_steps"]) == ("identity-prompts", 1140, 3420)


def test_a_noted_plan_is_there_at_once_and_loads_nothing_heavy(results):
    runs = len(record_all([resolve(Request("ablation"))], results))
    identity_module.remember_people(resolve(Request("ablation")).inputs, FOUND, results)
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    typed = ["plan", "ablation", "--device", "cpu", "--results", str(results.root)]
    done, seconds = run_code(code, *typed)
    assert seconds < 5  # one and a half
    assert done.stdout.splitlines()[-1] == "[]"
    assert f"{runs} of {runs} runs are finished" in done.stdout


def test_power_stands_behind_the_plan_and_nothing_is_rendered_for_it(results, cache, capsys):
    assert plan(results, "ablation", "--power") == 0
    assert "No run is recorded yet, so no variance is known." in capsys.readouterr().out
    assert {path.name for path in cache.glob("*")} <= {"digests"}
    record_all([resolve(Request("ablation"))], results)
    assert plan(results, "ablation", "--seeds", "0-6", "--power") == 0
    told = capsys.readouterr().out
    assert told.index("### Plan of ablation") < told.index("### Power of Ablation")
    assert "|   7 seeds |" in told
    assert plan(results, "ablation", "--power", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["studies"] == ["ablation"]
    assert [one["study"] for one in document["power"]] == ["ablation"]


def test_models_to_be_scored_anew_are_counted(results, cache, capsys):
    runs = len(record_all([resolve(Request("ablation"))], results))
    assert plan(results, "ablation", "--rerank") == 0
    told = capsys.readouterr().out
    assert f"{runs} of {runs} runs are finished, 0 to do" in told
    assert f"- {runs} models to score with re-ranking\n" in told
    assert plan(results, "ablation", "--rerank", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["open"]["rerankings"] == runs
    assert plan(results, "ablation") == 0
    assert "re-ranking" not in capsys.readouterr().out


def test_a_thousand_seeds_are_planned_in_seconds(results, capsys, monkeypatch):
    """With a hash per run and stage and one look at the claims; all pairs of 6,000 would take minutes."""
    experiment = resolve(Request("ablation", seeds="0-999"))
    note_data(experiment, results)
    began = time.process_time()
    assert plan(results, "ablation", "--seeds", "0-999", "--device", "cpu", "--format", "json") == 0
    assert time.process_time() - began < 12  # 5 s with torch loaded
    document = json.loads(capsys.readouterr().out)
    assert (len(document["runs"]), len(document["stages"])) == (4000, 2000)


def test_a_change_that_some_rows_do_not_take_on_is_said_before_anything_is_done(results, cache, capsys):
    assert plan(results, "ablation", "--set", "fusion=last", "--device", "cpu") == 0
    assert "--set fusion does not reach pi-vl, which have their own" in capsys.readouterr().err
    assert plan(results, "ablation", "--set", "people_per_batch=0") == 2
    assert capsys.readouterr().err == "pivl-bench: --set: people_per_batch is 0; it must be at least 2\n"


def recipe(results, capsys, *typed):
    """What `recipe` prints about `results`."""
    assert run_main("recipe", *typed, "--results", str(results.root)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("study", STUDIES)
def test_the_recipe_of_every_row_fits_120_columns(study, results, capsys):
    rows = ",".join(row.name for row in STUDIES[study].rows)
    told = recipe(results, capsys, study, "--rows", rows, "--precision", "fp32")
    assert max(map(len, told.splitlines())) <= 120
    assert told.count("| align_weight ") == len(STUDIES[study].rows)


def test_a_recipe_says_where_each_value_comes_from(results, capsys):
    typed = (
        "ablation",
        "--preset",
        "smoke",
        "--row",
        "mine=pi-vl,rate=1e-3",
        "--set",
        "lambda=2",
        "--format",
        "json",
    )
    told = json.loads(recipe(results, capsys, *typed))["rows"]["mine"]
    origins = {name: (one["value"], one["from"]) for name, one in told.items()}
    assert origins["rate"] == (1e-3, "row")
    assert origins["fusion"] == ("pyramid", "row")
    assert origins["align_weight"] == (2.0, "--set")
    assert origins["epochs"] == (2, "preset")
    assert origins["head_rate"] == (0.015, "backbone")
    assert origins["weight_decay"] == (5e-4, "default")
    assert origins["precision"][1] == "--precision"
    mine = resolve(Request("ablation", "smoke", own_rows=("mine=pi-vl,rate=1e-3",), overrides=("lambda=2",)))
    assert mine.recipe(mine.study.rows[-1]) == Recipe.from_json(
        {name: one["value"] for name, one in told.items()}
    )


def test_without_a_row_it_is_the_last_and_a_field_is_told_in_full_for_all(results, capsys):
    told = recipe(results, capsys)
    assert told.startswith("### Recipe of pi-vl in ablation\n")
    assert "| Eq. 12: lambda " in told
    told = recipe(results, capsys, "--field", "lambda")
    assert told.startswith(
        "### align_weight (lambda, λ)\n\nWeight of the alignment; the paper gives no value.\n"
    )
    assert [line.split("|")[1].strip() for line in told.splitlines()[-4:]] == [
        "clip-reid", "part-labels", "identity-parts", "pi-vl"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--row", "pivl"), "unknown row 'pivl'"),
        (("--field", "lamda"), "did you mean 'lambda' (align_weight)?"),
        (("--format", "yaml"), "unknown format 'yaml'"),
    ],
)
def test_what_has_no_recipe_is_one_line(typed, said, results, capsys):
    assert run_main("recipe", *typed, "--results", str(results.root)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
