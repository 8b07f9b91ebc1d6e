"""Block 6, the start: how long a person waits for help, a plan and a table, and how much is imported for each."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from harness.perf.drawn_runs import record_drawn_runs
from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting

HELP, TABLE = 0.5, 2.0  # seconds
RUNS = 20
COUNTING = """
import sys
from harness.cli.main import commands
try:
    commands.main({arguments!r}, "pivl-bench")
except SystemExit:
    pass
print(len(sys.modules), file=sys.stderr)
"""


def measure(setting: Setting) -> Block:
    """Each command in processes of its own; the table and the plan of 20 runs with drawn scores."""
    repeats = 2 if setting.quick else 5
    with tempfile.TemporaryDirectory() as folder:
        seeds = record_drawn_runs(Path(folder), RUNS)
        asked = ["ablation", "--results", folder, "--seeds", seeds]
        commands = {"--help": ["--help"], "table": ["table", *asked], "plan": ["plan", *asked]}
        figures, medians = [], {}
        for name, arguments in commands.items():
            taken = [_seconds(arguments) for _ in range(repeats)]
            medians[name] = median(taken)
            figures.append(Figure.of(name, taken, "s"))
            figures.append(Figure(f"{name}: modules imported", _modules(arguments), ""))
    return Block(
        "start",
        f"6. Start: commands in fresh processes, on {RUNS} recorded runs",
        tuple(figures),
        (
            Bar("pivl-bench --help, s", medians["--help"], HELP, False),
            Bar(f"table of {RUNS} runs, s", medians["table"], TABLE, False),
        ),
    )


def _seconds(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-m", "harness.cli.main", *arguments], capture_output=True, check=True
    )
    return time.perf_counter() - began


def _modules(arguments: Sequence[str]) -> int:
    code = COUNTING.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1])
