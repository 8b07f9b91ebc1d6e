"""The tree is as it is said to be: who imports whom, and how long files are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pivl", "studies", "harness")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAY_IMPORT = {"pivl": {"pivl"}, "studies": {"studies", "pivl"}, "harness": {"harness", "studies", "pivl"}}


def name_of(path):
    return str(path.relative_to(ROOT))


def imported(path):
    """The top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            names.add((node.module or "").partition(".")[0])
    return names


def test_imports_go_one_way():
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[0]
        assert (imported(path) & {*PACKAGES, "tests"}) <= MAY_IMPORT[package], name_of(path)


def test_the_method_knows_nothing_of_its_users():
    for path in (ROOT / "pivl").rglob("*.py"):
        assert not imported(path) & {"mlflow", "optuna", "click", "pandas", "tabulate"}, name_of(path)


def test_studies_are_data():
    for path in (ROOT / "studies").rglob("*.py"):
        assert not imported(path) & {"torch", "numpy", "mlflow", "optuna"}, name_of(path)


@pytest.mark.parametrize(
    ("package", "owner"),
    [("mlflow", "harness/tracking/mlflow_client.py"), ("distributed", "harness/launch/dask_cluster.py")],
)
def test_one_file_imports_it(package, owner):
    assert [name_of(path) for path in SOURCES if package in imported(path)] == [owner]


def test_only_the_search_imports_optuna():
    importing = {path.parent.name for path in SOURCES if "optuna" in imported(path)}
    assert importing == {"search"}


def test_no_file_is_longer_than_300_lines():
    for path in [*SOURCES, *TESTS]:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 300, f"{name_of(path)} has {lines} lines"


def test_every_module_says_what_it_is_and_every_departure_has_a_reason():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no docstring"
        for found in re.finditer(r"Departs:(.*(?:\n.*)?)", text):
            assert len(found[1].split()) >= 5, f"{name_of(path)}: Departs: without a reason"
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", text), f"{name_of(path)} leaves something to do"
