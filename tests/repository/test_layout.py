"""The tree is as it is said to be: who imports whom, how long files are, and that README's commands exist."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.experiment.resolve import resolve_all
from tests.support.commands import parse

ROOT = Path(__file__).parents[2]
PACKAGES = ("pivl", "studies", "harness")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAY_IMPORT = {"pivl": {"pivl"}, "studies": {"studies", "pivl"}, "harness": {"harness", "studies", "pivl"}}
README = ROOT / "README.md"


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


def readme_commands(first, fence="sh"):
    """The commands of README's shell blocks that begin with `first`, as words, comments left out.

    What needs data that cannot be had here stands in blocks fenced `bash`: test_paper_scale runs those on small ones.
    """
    blocks = re.findall(rf"```{fence}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == first]


def test_readme_shows_only_known_commands():
    shown = readme_commands("pivl-bench", "(?:sh|bash)")
    assert shown
    for words in shown:
        _, values = parse(words)
        if words[0] in ("run", "table"):
            resolve_all(values["request"])


def test_readme_shows_only_make_targets_that_exist():
    targets = [words for words in readme_commands("make") if words]
    assert targets
    for words in targets:
        done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_readme_says_nothing_else_in_its_shell_blocks():
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    firsts = {line.split()[0] for block in blocks for line in block.splitlines() if line.strip()}
    assert firsts <= {"pivl-bench", "make", "mlflow"}


@pytest.mark.parametrize("study", ["ablation", "controls"])
def test_readme_shows_the_table_that_is_committed(study):
    committed = ROOT / "results" / "reference" / f"{study}.md"
    shown = re.search(
        rf"<!-- results/reference/{study}.md -->\n(.*?)<!-- end -->", README.read_text("utf-8"), flags=re.S
    )
    assert shown is not None
    if committed.exists():
        rows = [line for line in committed.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        assert [line for line in shown[1].splitlines() if line.startswith("|")] == rows


@pytest.mark.slow  # trains every row that README names, at the smallest size
def test_readme_commands_run(tmp_path):
    """Each for real: studies with the smoke preset, data sets at their smallest; `pretrain` has a test of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in readme_commands("pivl-bench"):
        if words[0] == "pretrain":
            continue
        typed = [{"synthped": "synthped-mini", "40": "2"}.get(word, word) for word in words]
        measured = words[0] in ("run", "table", "figure", "search") and words[1] != "list"
        measured = measured or words[:2] == ["data", "card"]
        typed += ["--quick"] if words[0] == "perf" else []
        typed += ["--preset", "smoke"] if measured and "--preset" not in words else []
        code = "from harness.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *typed],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
