"""Setting up: pins that fit, a stamp that an interrupted set-up never leaves, assets that are shipped."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.requirements import base, extras

ROOT = Path(__file__).parents[2]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_everything_asked_for_is_pinned_to_a_version_that_fits():
    pinned = {}
    for pin in pins():
        (exact,) = pin.specifier
        assert exact.operator == "==", pin
        pinned.setdefault(canonicalize_name(pin.name), []).append(exact.version)
    for asked in [*base(), *extras()["dev"]]:
        versions = pinned.get(canonicalize_name(asked.name))
        assert versions, f"{asked.name} is not pinned"
        assert all(asked.specifier.contains(version) for version in versions), asked


def test_all_has_every_extra_that_a_command_uses_and_dev_has_all():
    every = extras()
    whole, used = every.pop("all"), {str(one) for one in every.pop("dev")}
    assert {str(one) for one in whole} == {str(one) for ones in every.values() for one in ones} < used
    assert not {one.name for one in whole} & {one.name for one in base()}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64"])
def test_each_machine_has_one_pin_of_each_package(machine):
    named = [
        canonicalize_name(pin.name)
        for pin in pins()
        if pin.marker is None or pin.marker.evaluate({"platform_machine": machine})
    ]
    assert len(named) == len(set(named))
    assert {"torch", "torchvision"} <= set(named)
    assert not [
        name for name in named if name.startswith(("nvidia-", "cuda-", "triton"))
    ]  # absent on some machines


@pytest.fixture
def checkout(tmp_path):
    """A folder as make sees a clone that was set up a moment ago."""
    for name in ("Makefile", "setup.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def make(folder, *words):
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    "target", ["ablation", "study", "tables", "test", "test-slow", "test-processors", "test-faults", "lint"]
)
def test_targets_set_up_when_missing_or_stale_and_not_otherwise(checkout, target):
    assert "pip install" not in make(checkout, "-n", target).stdout
    for name in ("setup.py", "pyproject.toml", "constraints.txt"):
        os.utime(checkout / name)
        os.utime(checkout / ".venv" / ".ready", (2000, 2000))
        assert "pip install" in make(checkout, "-n", target).stdout, name
        os.utime(checkout / name, (1000, 1000))
    (checkout / ".venv" / ".ready").unlink()
    assert "pip install" in make(checkout, "-n", target).stdout


def test_a_set_up_says_its_size_shows_pip_and_takes_another_torch(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without uv
    (checkout / ".venv" / ".ready").unlink()
    pinned, cpu, existing = (
        make(checkout, "-n", *how, "lint").stdout for how in ((), ["TORCH=cpu"], ["TORCH=existing"])
    )
    for said, size in ((pinned, "GB to download"), (cpu, "CPU build from"), (existing, "beside its torch")):
        assert size in said[said.index("setting up .venv") : said.index("pip install --constraint")]
        assert "--quiet" not in said
    assert "whl/cpu" in cpu
    assert "whl/cpu" not in pinned + existing
    assert "--system-site-packages" in existing
    assert "--system-site-packages" not in pinned + cpu
    assert "grep -v '^torch'" in existing
    assert "grep -v '^torch'" not in pinned + cpu
    (checkout / ".venv" / ".ready").write_text("existing\n")  # what brings it up to date keeps to its torch
    os.utime(checkout / ".venv" / ".ready", (0, 0))
    assert make(checkout, "-n", "lint").stdout == existing
    assert "can be pinned, cpu or existing" in make(checkout, "TORCH=gpu", "lint").stdout


def test_uv_installs_where_it_is_but_with_an_existing_torch_that_it_does_not_see(checkout, monkeypatch):
    uv = checkout / "bin" / "uv"
    uv.parent.mkdir()
    uv.touch()
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    (checkout / ".venv" / ".ready").unlink()
    assert "uv pip install --python .venv/bin/python --constraint" in make(checkout, "-n", "lint").stdout
    assert "uv pip" not in make(checkout, "-n", "TORCH=existing", "lint").stdout


def test_an_interrupted_set_up_is_stale(checkout):
    """A `python` that makes a .venv whose pip fails stands for one that was interrupted."""
    python = checkout / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in *venv*) echo "$@" >> made; mkdir -p .venv/bin; cp fails .venv/bin/python;; esac\n'
    )
    python.chmod(0o755)
    os.utime(checkout / "constraints.txt")
    os.utime(checkout / ".venv" / ".ready", (2000, 2000))
    fails = checkout / "fails"
    fails.write_text("#!/bin/sh\nexit 1\n")
    fails.chmod(0o755)
    (checkout / ".venv" / "bin").mkdir()
    shutil.copy(fails, checkout / ".venv" / "bin" / "python")
    assert make(checkout, f"PYTHON={python}", "lint").returncode != 0  # brought up to date, and interrupted
    assert not (checkout / ".venv" / ".ready").exists()
    assert not (checkout / "made").exists()
    assert make(checkout, f"PYTHON={python}", "lint").returncode != 0  # so it is made from nothing
    assert "--clear" in (checkout / "made").read_text()
    assert not (checkout / ".venv" / ".ready").exists()


def test_another_python_is_refused_in_one_line(checkout):
    (checkout / ".venv" / ".ready").unlink()
    done = make(checkout, "PYTHON=false", "lint")
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stdout
    assert "Traceback" not in done.stderr


def test_every_package_and_asset_is_shipped():
    text = (ROOT / "setup.py").read_text()
    for folder in {
        path.parent for name in ("pivl", "studies", "harness") for path in (ROOT / name).rglob("*.py")
    }:
        assert (folder / "__init__.py").exists(), f"{folder} is no package, so pip does not install it"
    shipped = re.findall(r'"(\*\.\w+)"', text)
    for path in (ROOT / "pivl").rglob("*"):
        shown = path.name != "README.md" and path.suffix not in (".py", ".pyc")
        if path.is_file() and shown and "__pycache__" not in path.parts:
            assert any(path.match(pattern) for pattern in shipped), f"{path} is not package data"
            assert path.parent.name in ("synthped", "parsers", "pivl")


def test_the_study_is_the_long_preset(checkout):
    shown = make(checkout, "-n", "study", "ARGS=--quiet").stdout
    assert ".venv/bin/pivl-bench run ablation --preset long --quiet" in shown.splitlines()


def test_ci_runs_lint_and_tests_from_any_folder():
    text = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make lint test" in text
    assert "cd " in text
