"""`--study`: a file's study is run like one of ours and named in its table; what is none is one line."""

import json
import re
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness.experiment import own_studies
from harness.experiment.own_studies import find_study
from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.store.records import Results
from pivl.errors import UserError
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain

EXAMPLE = Path(__file__).parents[3] / "examples" / "my_study.py"
HEAD = "from studies.ablation import CLIP_REID, pi_vl\nfrom studies.study import Contrast, Row, Study\n"
STUDY = """
MINE = Study(name="mine", title="Mine", question="What?", caption="So.", reference="clip-reid", rows=(CLIP_REID,
    Row("heavy", "Heavy", "PI-VL", {**pi_vl, "align_weight": 5.0})), contrasts=(Contrast("heavy", "clip-reid"),))
"""


@pytest.fixture
def written(tmp_path):
    """Writes a file of Python and returns its path."""

    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(HEAD + text)
        return path

    return write


def test_the_example_is_a_study_like_ours(tmp_path, capsys):
    results = Results(tmp_path / "results", complain)
    experiment = resolve(Request(study_file=EXAMPLE))
    assert experiment.rows == ("clip-reid", "pi-vl", "light", "heavy")
    assert experiment.recipe(experiment.study.rows[2]).align_weight == 0.2
    record_all([experiment], results)
    place = ("--study", str(EXAMPLE), "--results", str(results.root))
    assert run_main("table", *place, "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in document["rows"]] == ["clip-reid", "pi-vl", "light", "heavy"]
    assert document["departures"]["Study of one's own"] == "lambda of my_study.py"
    assert run_main("plan", *place) == 0
    assert "20 of 20 runs are finished" in capsys.readouterr().out


def test_rows_that_our_studies_have_too_are_the_same_runs():
    own, ours = resolve(Request("lambda", study_file=EXAMPLE)), resolve(Request("ablation"))
    recipes = [{row.name: one.recipe(row) for row in one.study.rows} for one in (own, ours)]
    assert recipes[0]["pi-vl"] == recipes[1]["pi-vl"]


def test_one_of_several_is_named(written):
    path = written(STUDY + STUDY.replace("mine", "other").replace("MINE", "OTHER"))
    with pytest.raises(UserError, match=r"has the studies mine, other; name one"):
        find_study("", path)
    assert find_study("other", path).study.name == "other"
    with pytest.raises(UserError, match=r"unknown study of mine.py 'ours'; known: mine, other"):
        find_study("ours", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it builds no Study"),
        ("Study(", "line 3: SyntaxError: '(' was never closed"),
        ("x = 1\nraise ValueError('two\\nlines')", "line 4: ValueError: two"),
        ("import no_such_module", "line 3: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "line 3: SystemExit: 3"),
        (STUDY.replace('"mine"', '"ablation"'), "a study of pivl-bench is called ablation"),
        (STUDY.replace('"mine"', '"My study"'), "'My study' is no name to type"),
        (STUDY.replace('Row("heavy"', 'Row("clip-reid"'), "two rows are called clip-reid"),
        (STUDY.replace('reference="clip-reid"', 'reference="clip"'), "mine has no row clip; its rows are"),
        (STUDY.replace('Contrast("heavy"', 'Contrast("light"'), "mine has no row light"),
        (STUDY.replace("align_weight", "weight"), "row heavy: unknown recipe field 'weight'"),
        (STUDY.replace("5.0", "-1"), "row heavy: align_weight is -1; it must be at least 0"),
        (STUDY.replace('"align_weight": 5.0', '"precision": "bf16"'), "recipe field 'precision' is set by --precision"),
    ],
)  # fmt: skip
def test_what_is_no_study_is_one_line_that_names_the_file(written, text, said):
    path = written(text)
    with pytest.raises(UserError) as refused:
        resolve_all(Request(study_file=path))
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_away_and_no_study_at_all_are_told(tmp_path):
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'none.py'}: no file of Python")):
        find_study("", tmp_path / "none.py")
    with pytest.raises(UserError, match=r"no study named; known: ablation, .*or --study FILE.py"):
        resolve_all(Request())


def test_a_package_brings_studies_by_its_entry_points(monkeypatch):
    point = EntryPoint("ablation-of-mine", "tests_of_mine:STUDY", own_studies.GROUP)
    broken = EntryPoint("broken", "no_such_module:STUDY", own_studies.GROUP)
    other = EntryPoint("other", "studies.ablation:ABLATION", own_studies.GROUP)
    monkeypatch.setattr(own_studies, "entry_points", lambda group: [point, broken, other])
    module = own_studies.load_module(EXAMPLE, "tests_of_mine")
    monkeypatch.setattr(module, "STUDY", replace(module.LAMBDA, name="ablation-of-mine"), raising=False)
    assert resolve(Request("ablation-of-mine")).origin == "ablation-of-mine of the package tests_of_mine"
    with pytest.raises(UserError, match="broken cannot be loaded"):
        find_study("broken", None)
    with pytest.raises(UserError, match="other is no Study of that name"):
        find_study("other", None)
