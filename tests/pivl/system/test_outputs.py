"""Files that a person named: replaced whole, links followed, and never put in the place of what is no regular file."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from pivl.errors import UserError
from pivl.system import outputs
from pivl.system.outputs import check_output, write_output, write_text_output


def test_a_new_file_and_an_old_one_whose_rights_stay(tmp_path):
    path = tmp_path / "new" / "table.md"
    check_output(path)
    assert not path.parent.exists()
    write_text_output(path, "one")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("one", 0o644)
    path.chmod(0o600)
    write_text_output(path, "two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o600)
    assert os.listdir(path.parent) == ["table.md"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    if there:
        target.write_text("old")
    link.symlink_to("target.md")
    write_text_output(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_is_written_to(tmp_path):
    before = os.stat("/dev/null")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in ("/dev/null", tmp_path / "link"):
        write_text_output(outputs.Path(path), "text")
    after = os.stat("/dev/null")
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert stat.S_ISCHR(after.st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")
def test_a_device_that_takes_nothing_is_one_line():
    with pytest.raises(
        UserError, match=r"^cannot write /dev/full: No space left on device; name another file$"
    ):
        write_text_output(outputs.Path("/dev/full"), "text")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    check_output(path)
    write_output(path, lambda file: file.write_text("x" * 200_000))
    reader.join(timeout=20)
    assert read == ["x" * 200_000]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "PATIENCE", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: nobody reads from it; name another file"):
        write_text_output(tmp_path / "pipe", "text")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/dev/stderr"])
@pytest.mark.parametrize("to", ["file", "pipe"])
def test_a_standard_stream_is_written_to_where_it_stands(tmp_path, name, to):
    """Opened anew, a file that is appended to would be cut, and what is no file could not be opened."""
    code = (
        "import os, sys; from pathlib import Path; from pivl.system.outputs import write_text_output\n"
        "out = int(sys.argv[2]); os.write(out, b'before ')\n"
        "write_text_output(Path(sys.argv[1]), 'text'); os.write(out, b' after')"
    )
    number = 2 if name == "/dev/stderr" else 1
    kept = tmp_path / "kept"
    kept.write_text("old ")
    command = [sys.executable, "-c", code, name, str(number)]
    if to == "pipe":
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (
            ("before text after", "") if number == 1 else ("", "before text after")
        )
        return
    with open(kept, "a") as file:
        streams = {"stdout" if number == 1 else "stderr": file}
        assert subprocess.run(command, **streams).returncode == 0
    assert kept.read_text() == "old before text after"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "is a folder; name a file"),
        (lambda path: path.symlink_to(path), "cannot write .*link.*; name another file"),
        (lambda path: (path.write_text(""), path.chmod(0o400)), "may not be written"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, make, said):
    path = tmp_path / "there"
    make(path)
    if os.getuid() == 0 and path.is_file():
        pytest.skip("root may write everything")
    for use in (check_output, lambda path: write_text_output(path, "text")):
        with pytest.raises(UserError, match=said):
            use(path)


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.md"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_output(path, lambda file: 1 / 0)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.md"]
