"""The digest of the code that decides weights: what changes it, and what does not."""

import subprocess
from pathlib import Path

import pytest

from harness.system.code_digest import ROOTS, _read_sources, code_digest, digest_code

ROOT = Path(__file__).parents[3]
TRAIN = '''
"""Trains."""
from pivl import ranks
from pivl.losses import triplet

RATE = 0.1

def train(x):
    """Trains."""
    if x is None:
        raise ValueError("nothing to train on")
    return triplet(x) * RATE / ranks.count()  # the mean
'''
LOSSES = '''
"""Losses."""

def triplet(x):
    return _square(x) + 1

def _square(x):
    return x * x

def unused(x):
    return x
'''
RANKS = "def count():\n    return 1\n"


def digest(train=TRAIN, losses=LOSSES, processes=RANKS):
    return digest_code([train], [train, losses, processes])


@pytest.mark.parametrize(
    "change",
    [
        {"train": TRAIN.replace("  # the mean", "").replace('"""Trains."""', '"""Other words."""')},
        {"train": TRAIN.replace("nothing to train on", "no images")},
        {"train": TRAIN.replace("(x) * RATE", "( x )*RATE").replace("0.1", "0.10")},
        {
            "train": TRAIN.replace("import ranks", "import distributed").replace(
                "ranks.count", "distributed.count"
            )
        },
        {"train": TRAIN.replace("pivl.losses", "pivl.method.losses")},
        {"losses": LOSSES.replace("def unused(x):\n    return x", "def unused(x):\n    return 2 * x")},
        {
            "losses": LOSSES.split("def _square")[0],
            "processes": RANKS + "def _square(x):\n    return x * x\n",
        },
    ],
    ids=[
        "comments",
        "messages",
        "layout",
        "a module's name",
        "a folder",
        "what nobody uses",
        "a definition's place",
    ],
)
def test_what_decides_no_weight_changes_no_digest(change):
    assert digest(**change) == digest()


@pytest.mark.parametrize(
    "change",
    [
        {"train": TRAIN.replace("0.1", "0.2")},
        {"train": TRAIN.replace("* RATE /", "/ RATE /")},
        {"train": TRAIN.replace("is None", "is not None")},
        {"losses": LOSSES.replace("x * x", "x ** 2")},
        {"losses": LOSSES.replace("+ 1", "+ True")},
        {"losses": LOSSES.replace("+ 1", "+ 1.0")},
        {"processes": RANKS.replace("1", "2")},
    ],
)
def test_what_decides_a_weight_changes_the_digest(change):
    assert digest(**change) != digest()


def test_every_loss_and_stage_is_covered_and_no_command_is():
    sources = _read_sources()
    assert set(ROOTS) <= set(sources)
    assert {
        "pivl.losses",
        "pivl.stages.image_alignment",
        "pivl.stages.prompt_tuning",
        "pivl.fusion",
        "pivl.evaluation.retrieval",
        "pivl.data.part_maps.voting",
    } <= set(sources)
    assert not [
        name for name in sources if name.startswith(("pivl.synthped", "pivl.parsers", "pivl.verification"))
    ]
    for module, old, new in (
        ("pivl.losses", "return 2 - 2 * cast", "return 2 - 3 * cast"),
        ("pivl.towers.resnet", "channels**-0.5", "channels**-0.4"),
        ("pivl.recipe", "erase_probability: float = _image(0.5", "erase_probability: float = _image(0.6"),
    ):
        assert old in sources[module]
        other = {**sources, module: sources[module].replace(old, new)}
        assert digest_code([other[name] for name in ROOTS], list(other.values())) != code_digest(), module


@pytest.mark.parametrize("other", ["python3.11", "python3.12", "python3.13"])
def test_the_digest_does_not_depend_on_the_version_of_python(other):
    code = "from harness.system.code_digest import code_digest; print(code_digest())"
    try:
        done = subprocess.run([other, "-c", code], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"there is no {other} here")
    if done.returncode:
        pytest.skip(f"{other} is a name without a Python behind it")
    assert done.stdout.strip() == code_digest()
