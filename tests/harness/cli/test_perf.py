"""`perf`: the blocks that it knows, and each of them printed with its limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.cli.perf import BLOCKS
from harness.perf.worker import MEASURE


def test_the_command_knows_the_blocks_that_are_measured(capsys):
    assert tuple(MEASURE) == BLOCKS
    with pytest.raises(SystemExit) as ended:
        main(["perf", "--only", "texts"])
    assert ended.value.code == 2
    assert "did you mean 'text'?" in capsys.readouterr().err


@pytest.mark.slow  # a minute: every block at its smallest
def test_perf_prints_every_block_with_its_bars(tmp_path):
    output = tmp_path / "perf.json"
    command = [
        sys.executable,
        "-m",
        "harness.cli.main",
        "perf",
        "--quick",
        "--format",
        "json",
        "--output",
        str(output),
    ]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])
    told = json.loads(output.read_text())
    assert [block["name"] for block in told["blocks"]] == list(BLOCKS)
    assert all(isinstance(bar["pass"], bool) for bar in told["bars"])
    agree = [bar for bar in told["bars"] if "relative difference" in bar["name"]]
    assert len(agree) == 2
    assert all(bar["pass"] for bar in agree)
