"""A loss and a head of one's own: named by their source, copied to the results, read from there; what is none is told."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs.own_code import keep_code, load_code, load_module, name_code
from harness.store.records import Results
from harness.store.run import Run
from pivl.errors import UserError
from pivl.recipe import Recipe
from studies.study import Row
from tests.support.recorded_runs import complain

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_loss.py"
TEXT = '''"""Losses."""
import math
from math import pi

RATE = 0.1
OTHER = 3

def loss(step):
    """Returns a number."""
    return helper(step) * RATE * pi

def helper(step):
    return step  # as it is
'''


@pytest.fixture
def load(tmp_path):
    """The function `loss` of a file with the given text."""

    def load_text(text, name="loss", file="mine.py"):
        (tmp_path / file).write_text(text)
        return getattr(load_module(tmp_path / file, file.removesuffix(".py")), name)

    return load_text


def run_of(recipe):
    return Run(recipe, "people", "0" * 12, "0" * 64, 0)


def test_a_rows_code_is_in_its_recipe_and_its_runs_id_and_shares_the_stages_before():
    experiment = resolve(Request(study_file=EXAMPLE), device="cpu")
    plain, cameras, gated = map(experiment.recipe, experiment.study.rows)
    assert cameras.own_loss.startswith("camera_centres-")
    assert gated.own_head.startswith("Gated-")
    assert cameras.own_loss[-12:] != gated.own_head[-12:]
    assert replace(cameras, own_loss="", own_loss_weight=1.0) == plain
    assert len({run_of(one).id for one in (plain, cameras, gated)}) == 3
    assert run_of(cameras).stages_before("image-tower") == run_of(plain).stages_before("image-tower")
    other = replace(cameras, own_loss=cameras.own_loss[:-1] + "x")
    assert run_of(other).id != run_of(cameras).id


def test_its_name_changes_with_what_it_uses_and_with_nothing_else(load):
    name = name_code(load(TEXT))
    assert name.startswith("loss-")
    for before, after in (
        ("as it is", "as ever"), ("a number", "a scalar"), ("OTHER = 3", "OTHER = 4"), ("import math\n", ""),
        ("\n\n", "\n\n\n"),
    ):  # fmt: skip
        assert name_code(load(TEXT.replace(before, after))) == name, after
    for before, after in (
        ("RATE = 0.1", "RATE = 0.2"), ("return step ", "return -step "), ("math import pi", "math import tau as pi"),
        (" * RATE", " + RATE"), ("RATE = 0.1", "for RATE in (1, 2): pass"),
    ):  # fmt: skip
        assert name_code(load(TEXT.replace(before, after))) != name, after


def test_the_copy_in_the_results_is_what_processes_load(load, tmp_path):
    results = Results(tmp_path / "results", complain)
    loss = load(TEXT)
    keep_code([Row("mine", "Mine", "PI-VL", {}, loss=loss)], results)
    (tmp_path / "mine.py").write_text("raise ValueError")
    recipe = Recipe(own_loss=name_code(load(TEXT)))
    found = load_code(recipe, results)
    assert found.head is None
    assert found.loss(2.0) == loss(2.0)
    assert load_code(Recipe(), results).loss is None
    (copy,) = (results.root / "own_code").iterdir()
    copy.write_text(TEXT.replace("0.1", "0.2"))
    with pytest.raises(UserError, match=r"is not as it was written; remove it"):
        load_code(recipe, results)
    copy.unlink()
    with pytest.raises(UserError, match=r"is not there, the code of this run"):
        load_code(recipe, results)


def test_a_file_that_needs_its_neighbours_is_refused_before_anything_is_trained(load, tmp_path, monkeypatch):
    (tmp_path / "neighbour.py").write_text("x = 1\n")
    with monkeypatch.context() as beside:
        beside.syspath_prepend(str(tmp_path))
        loss = load("import neighbour\n" + TEXT)
    monkeypatch.delitem(load_code.__globals__["sys"].modules, "neighbour")
    with pytest.raises(UserError, match=r"mine.py, by itself as row m has it.*, line 1: ModuleNotFoundError"):
        keep_code([Row("m", "M", "PI-VL", {}, loss=loss)], Results(tmp_path / "results", complain))


@pytest.mark.parametrize(
    "code", [partial(print, 1), lambda step: step, print, 3], ids=["partial", "lambda", "builtin", "number"]
)
def test_what_does_not_stand_at_the_top_of_a_file_is_refused(code):
    with pytest.raises(UserError, match="no function or class at the top of its file"):
        name_code(code)


def test_what_was_typed_is_refused():
    typed = {"__name__": "typed_by_hand"}
    exec("def loss(step):\n    return step", typed)
    with pytest.raises(UserError, match="loss: it was typed, not read from a file"):
        name_code(typed["loss"])


def test_a_head_takes_the_pyramids_place_and_the_weight_of_no_loss_changes_no_id():
    assert run_of(Recipe(own_loss_weight=3.0)).id == run_of(Recipe()).id
    assert run_of(Recipe(own_loss="a-1", own_loss_weight=3.0)).id != run_of(Recipe(own_loss="a-1")).id
    for wrong in ({}, {"part_text": "label"}, {"fusion": "pyramid"}):
        with pytest.raises(ValueError, match="own_head is in the pyramid's place"):
            Recipe(own_head="Gated-1", **wrong)
    Recipe(own_head="Gated-1", part_text="label", fusion="pyramid")
