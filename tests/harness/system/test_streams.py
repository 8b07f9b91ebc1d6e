"""Closed, full and abandoned standard streams: the work is done, and a line is said where somebody may hear it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.store.records import Results
from tests.support.recorded_runs import complain, draw_run, write_finished

ROOT = Path(__file__).parents[3]
CODE = "from harness.cli.main import main; main()"
LOST = "pivl-bench: cannot write the output: {}; what was recorded stays\n"
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")


def typed(folder, words, redirections, **environment):
    """Status, standard output and error of a command under a shell's redirections."""
    command = f'exec "{sys.executable}" -c "{CODE}" {words} {redirections}'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("redirections", "status", "out", "err"),
    [
        (">&-", 1, "", LOST.format("bad file descriptor")),
        pytest.param(">/dev/full", 1, "", LOST.format("no space left on device"), marks=FULL),
        ("2>&-", 0, "1 runs: no problems\n", ""),
        pytest.param("2>/dev/full", 0, "1 runs: no problems\n", "", marks=FULL),
        (">&- 2>&-", 1, "", ""),
        ("<&- >&- 2>&-", 1, "", ""),
    ],
)
def test_a_stream_that_takes_nothing_is_one_line_and_no_traceback(tmp_path, redirections, status, out, err):
    write_finished(Results(tmp_path / "results", complain), draw_run())
    assert typed(tmp_path, "results check", redirections) == (status, out, err)


def test_a_pipe_that_nobody_reads_any_more_is_silent_with_the_status_of_other_programs(tmp_path):
    command = [sys.executable, "-c", CODE, "recipe"]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@FULL
def test_a_table_that_finds_no_space_is_one_line(tmp_path):
    status, _, err = typed(tmp_path, "table ablation --rows clip-reid", ">/dev/full")
    assert (status, err.splitlines()[-1:]) == (1, [LOST.format("no space left on device").strip()])


def test_files_do_not_get_the_numbers_of_closed_streams(tmp_path):
    """Else a library's word on standard error lands in the file that was opened first."""
    code = (
        "import os; from harness.system.streams import take_streams; take_streams()\n"
        "file = open('kept', 'w'); os.write(2, b'a word'); print('another'); file.write(str(file.fileno() > 2))"
    )
    command = f'exec "{sys.executable}" -c "{code}" <&- >&- 2>&-'
    subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )
    assert (tmp_path / "kept").read_text() == "True"


def test_letters_that_a_terminal_lacks_are_written_as_codes(tmp_path):
    code = "from harness.system.streams import take_streams; take_streams(); print('24.4 ± 0.1')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "24.4 \\xb1 0.1\n", "")


RUN = "run ablation --preset smoke --rows clip-reid --seeds 0 --jobs 1"


@pytest.mark.slow  # trains, at the smallest size
@pytest.mark.parametrize(("redirections", "status"), [("<&- >&- 2>&-", 1), ("2>&-", 0)])
def test_a_run_without_streams_is_trained_recorded_and_shown(tmp_path, redirections, status):
    assert typed(tmp_path, RUN, redirections)[0] == status
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1
    assert len(list((tmp_path / "results" / "tables").glob("ablation-smoke*.md"))) == 1
    assert (tmp_path / "results" / "mlflow.db").exists()
    assert typed(tmp_path, "results check --quiet", "")[0] == 0


@pytest.mark.slow  # trains, at the smallest size
def test_a_user_without_a_home_trains_and_has_mlflow(tmp_path):
    """cases/no-home: a user id that passwd does not know and an environment without HOME, as in a container."""
    nobody = ["unshare", "-U", "--map-user=54321", "--map-group=54321"]
    if shutil.which("unshare") is None or subprocess.run([*nobody, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare and user namespaces")
    clean = ["env", "-i", f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", f"TMPDIR={tmp_path}"]
    command = [*nobody, *clean, sys.executable, "-c", CODE, *RUN.split(), "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "results" / "mlflow.db").exists()
    assert (tmp_path / "pivl-bench-54321" / ".cache" / "pivl-bench").is_dir()
