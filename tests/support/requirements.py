"""What setup.py asks for, by asking it."""

import json
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


@cache
def _kept():
    code = (
        "import json, setuptools; kept = {}\n"
        "setuptools.setup = lambda **given: kept.update(given)\n"
        "exec(open('setup.py').read())\n"
        "print(json.dumps([kept['install_requires'], kept['extras_require']]))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def base():
    """The requirements of `pip install .`."""
    return [Requirement(line) for line in _kept()[0]]


def extras():
    """The requirements of each extra."""
    return {name: [Requirement(line) for line in lines] for name, lines in _kept()[1].items()}


def closure(requirements):
    """The canonical names of the distributions that come with `requirements`, as far as they are installed here."""
    found, rest = set(), list(requirements)
    while rest:
        one = rest.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        try:
            asked = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        found.add(name)
        rest += map(Requirement, asked)
    return found
