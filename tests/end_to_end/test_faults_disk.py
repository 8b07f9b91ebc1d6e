"""Disks that refuse and files that rot: one clear line each, nothing lost, and the next command makes it good."""

import resource
import subprocess

import pytest

from tests.support.killing import COMMAND, environment, finish, leftovers, stored

pytestmark = pytest.mark.slow  # each runs a study more than once

STUDY = ("--preset", "smoke", "--seeds", "0", "--rows", "clip-reid", "--device", "cpu")
RUN, TABLE = ("run", "ablation", *STUDY, "--no-mlflow"), ("table", "ablation", *STUDY[:6])


def mount(folder, options):
    """What mounts a file system in memory on `folder`, or changes it."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def disk(tmp_path):
    """A folder with a file system of 4 MB of its own; skipped where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = mount(folder, "size=4m")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def one_line(err):
    """The line of an error among those of progress."""
    (line,) = [line for line in err.splitlines() if line.startswith("pivl-bench: ")]
    assert "Traceback" not in err
    return line


def test_a_full_disk_is_one_line_and_the_same_command_goes_on_when_there_is_room(disk):
    """The stage of 4 kB finds room; checkpoints and the run, which have megabytes, do not."""
    status, _, err = finish(disk, *RUN)
    assert status == 2
    assert "No space left on device; free space or name another folder" in one_line(err)
    assert leftovers(disk, unfinished=True) == []
    before = stored(disk)
    assert [name.split("/")[1] for name in before] == ["stages"] * 3
    mount(disk, "remount,size=64m")
    status, _, err = finish(disk, *RUN)
    assert status == 0, err
    assert before.items() <= stored(disk).items()
    assert leftovers(disk) == []


def test_a_folder_that_became_read_only_is_one_line_and_its_table_can_still_be_read(disk):
    mount(disk, "remount,size=64m")
    status, table, err = finish(disk, *RUN)
    assert status == 0, err
    before = stored(disk)
    mount(disk, "remount,ro")
    try:
        done = subprocess.run([*COMMAND, *RUN], cwd=disk, env=environment(), capture_output=True, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "cannot write results: Read-only file system" in done.stderr
        done = subprocess.run([*COMMAND, *TABLE], cwd=disk, env=environment(), capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, table)
    finally:
        mount(disk, "remount,rw")
    assert stored(disk) == before


def test_a_limit_on_files_is_one_line(tmp_path):
    limit = 200_000

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    status, _, err = finish(tmp_path, *RUN, preexec_fn=limited)
    assert status == 2
    assert "File too large" in one_line(err)
    assert leftovers(tmp_path, unfinished=True) == []
    status, _, err = finish(tmp_path, *RUN)
    assert status == 0, err


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A folder in which the study was run, MLflow and all, and what it printed."""
    folder = tmp_path_factory.mktemp("answered")
    status, out, err = finish(folder, "run", "ablation", *STUDY)
    assert status == 0, err
    return folder, out, stored(folder)


def flip(path):
    """Turn one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "redone"),
    [
        ("runs/*/record.json", True),
        ("runs/*/queries.parquet", True),
        ("runs/*/history.jsonl", False),
        ("runs/*/model.safetensors", False),
        ("datasets.json", False),
        ("mlflow.db", False),
    ],
)
def test_a_flipped_bit_is_found_and_what_a_table_needs_is_done_again_to_the_bit(answered, kind, redone):
    """What a table is made of is read whole by run; the rest by results check, rm and run again."""
    folder, printed, before = answered
    (path,) = (folder / "results").glob(kind)
    sound = path.read_bytes()
    flip(path) if kind != "mlflow.db" else path.write_bytes(sound[: len(sound) // 2])
    status, out, _ = finish(folder, "results", "check", "--quiet")
    assert (status, out.count("\n")) == (1, 2), out
    status, out, err = finish(folder, *(RUN[:-1] if kind == "mlflow.db" else RUN))
    assert status == 0, err
    assert redone or out == printed
    warned = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == (redone or kind in ("datasets.json", "mlflow.db")), err
    if kind.startswith("runs/") and not redone:
        run = path.parent.name
        assert finish(folder, "results", "rm", run, "--yes")[0] == 0
        assert finish(folder, *RUN)[0] == 0
    if kind == "mlflow.db":
        path.write_bytes(sound)
    assert stored(folder) == before
    assert finish(folder, "results", "check", "--quiet")[0] == 0


@pytest.mark.parametrize("kind", ["record.json", "model.safetensors"])
def test_a_flipped_bit_in_a_stage_is_never_started_from(answered, kind):
    folder, _, before = answered
    run = next((folder / "results" / "runs").iterdir()).name
    assert finish(folder, "results", "rm", run, "--yes")[0] == 0
    assert stored(folder) == {}  # the stage went too, as no other run starts from it
    status, _, err = finish(
        folder, "run", "ablation", *STUDY[:2], "--seeds", "0", "--rows", "part-labels", "--no-mlflow"
    )
    assert status == 0, err
    (path,) = (folder / "results" / "stages").glob(f"*/{kind}")
    flip(path)
    status, _, err = finish(folder, *RUN)
    assert status == 0
    assert len([line for line in err.splitlines() if line.startswith("warning: ")]) == 1
    (other,) = {path.name for path in (folder / "results" / "runs").iterdir()} - {run}
    assert finish(folder, "results", "rm", other, "--yes")[0] == 0
    assert stored(folder) == before
