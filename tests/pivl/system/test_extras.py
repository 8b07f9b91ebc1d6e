"""A package of an extra that lacks is one line with the command that installs it; setup.py has each such extra."""

import ast
import sys
from pathlib import Path

import pytest

from pivl.errors import UserError
from pivl.system.extras import need
from tests.support.requirements import extras

ROOT = Path(__file__).parents[3]


def test_a_package_that_is_there_is_returned():
    assert need("json", "search", "this").loads("[1]") == [1]


def test_one_that_is_absent_is_a_line_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError) as caught:
        need("optuna", "search", "pivl-bench search")
    assert str(caught.value) == (
        "pivl-bench search needs the package optuna, which is not installed; pip install 'pivl-bench[search]'"
    )


def test_one_that_cannot_be_loaded_says_why_and_the_package_inside_it_that_is_absent(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_here.py").write_text("raise ImportError('no pq\\nwrapper')\n")
    with pytest.raises(
        UserError, match=r"^--storage needs .* cannot be loaded \(no pq wrapper\); pip install"
    ):
        need("broken_here", "postgresql", "--storage")
    (tmp_path / "half_here.py").write_text("import no_such_module\n")
    with pytest.raises(UserError, match="needs the package no_such_module, which is not installed"):
        need("half_here", "postgresql", "--storage")


def test_every_package_that_is_needed_is_brought_by_the_extra_that_is_named():
    asked = set()
    for path in (path for name in ("pivl", "harness") for path in (ROOT / name).rglob("*.py")):
        text = path.read_text()
        for call in ast.walk(ast.parse(text)) if "need(" in text else ():
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "need":
                package, extra, _ = map(ast.unparse, call.args)
                asked.add((package.strip("'"), extra.strip("'")))
    brought = {(requirement.name, extra) for extra in extras() for requirement in extras()[extra]}
    renamed = {
        ("harness.tracking.mlflow_client", "mlflow"): ("mlflow", "mlflow")
    }  # the one file that imports it
    loops = {one for one in asked if one[0] == "package"}  # a loop over onnx, onnxscript and onnxruntime
    assert loops == {("package", "export")}
    assert {renamed.get(one, one) for one in asked - loops} <= brought
    assert {extra for _, extra in asked} == set(extras()) - {"all", "dev"}
