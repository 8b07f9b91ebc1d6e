"""Without any extra: commands that need none answer, the others name theirs. What `pip install .` lacks is hidden."""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
from packaging.utils import canonicalize_name

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain
from tests.support.requirements import base, closure

MAIN = """
import json, sys
class Hides:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
hidden, commands = map(json.loads, sys.stdin.read().splitlines())
sys.meta_path.insert(0, Hides())
from harness.cli.main import main
for command in commands:
    try: main(command)
    except SystemExit as end: print(end.code, file=sys.stderr)
"""
HOW = "which is not installed; pip install 'pivl-bench[{}]'"


def hidden():
    """The modules of this environment that a base installation lacks."""
    brought = closure(base())
    lacking = {
        module
        for module, names in packages_distributions().items()
        if not brought & set(map(canonicalize_name, names))
    } - {"pivl", "studies", "harness"}
    assert {"mlflow", "optuna", "sqlalchemy", "distributed", "onnx", "transformers", "psycopg"} <= lacking
    assert not {"torch", "pandas", "sklearn"} & lacking
    return sorted(lacking)


def speak(results, *commands):
    """What the commands print, and each line of standard error."""
    told = [[*command.split(), *(("--results", str(results)) if results else ())] for command in commands]
    given = f"{json.dumps(hidden())}\n{json.dumps(told)}\n"
    done = subprocess.run(
        [sys.executable, "-c", MAIN], input=given, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr.splitlines()


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A results folder in which one row is recorded."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    record_all([resolve(Request("ablation", rows="clip-reid"))], Results(tmp_path, complain))
    return tmp_path


def test_tables_are_the_same_and_a_line_says_how_to_get_mlflow(recorded):
    rows = "ablation --rows clip-reid"
    printed, said = speak(
        recorded,
        f"run {rows} --quiet",
        f"run {rows} --quiet --no-mlflow",
        f"table {rows}",
        f"plan {rows}",
        "mlflow sync",
    )
    assert said == [
        f"warning: MLflow needs the package mlflow, {HOW.format('mlflow')} and pivl-bench mlflow sync show there what "
        "is recorded; --no-mlflow leaves this line out",
        *"0000",
        f"pivl-bench: MLflow needs the package mlflow, {HOW.format('mlflow')}",
        "2",
    ]
    again = printed.split("### ")
    assert again[1] == again[2] == again[3].rstrip() + "\n"
    assert "clip-reid" in again[1]


def test_what_needs_an_extra_names_it(recorded):
    folder = recorded / "searches" / "loss-weights"
    folder.mkdir(parents=True)
    printed, said = speak(
        recorded, "search loss-weights", "search show loss-weights", "search confirm loss-weights",
        "search list", "results check",
    )  # fmt: skip
    optuna = f"needs the package optuna, {HOW.format('search')}"
    assert said == [*[f"pivl-bench: a search {optuna}", "2"] * 3, "0", "1"]
    assert f"checking {folder} {optuna}" in printed.splitlines()


def test_help_is_there():
    printed, said = speak(None, "--help", "run --help", "search --help", "mlflow --help", "figure --help")
    assert said == [*"00000"]
    assert printed.count("Usage:") == 5
