"""Digests of files are found once, never believed of a file that may be another, and right whatever the store holds."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pivl.data.cache import digests
from pivl.data.cache.digests import digest_file, digest_files
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader

NAMES = ["a.bmp", "below/b.png", "c.npz"]


def write_files(folder: Path) -> dict[str, str]:
    """NAMES below `folder`, and what each one's digest is."""
    (folder / "below").mkdir(parents=True)
    contents = {name: name.encode() * 1000 for name in NAMES}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


@pytest.fixture
def read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read to be hashed; the files of the test count as lying there for long."""
    paths: list[str] = []
    hash_file = digests._hash
    monkeypatch.setattr(digests, "SETTLED", -(10**9))
    monkeypatch.setattr(digests, "_hash", lambda path: paths.append(path) or hash_file(path))
    return paths


def test_the_second_look_reads_nothing_and_another_process_neither(tmp_path, read):
    right = write_files(tmp_path / "data")
    seen: list[tuple[int, int]] = []
    found = digest_files(tmp_path / "data", NAMES, lambda *counts: seen.append(counts))
    assert found == list(right.values())
    assert (len(read), seen) == (3, [(3, 3)])
    assert digest_files(tmp_path / "data", [*NAMES[::-1], NAMES[0]]) == [*found[::-1], found[0]]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert digest_files(tmp_path / "link", NAMES) == found
    assert len(read) == 3
    script = (
        "import sys; from pathlib import Path; from pivl.data.cache import digests; digests._hash = None; "
        "print(digests.digest_files(Path(sys.argv[1]), sys.argv[2:]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data", *NAMES], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"{found}\n"


def test_other_bytes_of_the_same_size_and_date_are_noticed(tmp_path, read):
    right = write_files(tmp_path)
    digest_files(tmp_path, NAMES)
    before = (tmp_path / "a.bmp").stat()
    (tmp_path / "a.bmp").write_bytes(b"other"[:5] * 1000)
    os.utime(tmp_path / "a.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (tmp_path / "a.bmp").stat().st_size == before.st_size
    found = digest_files(tmp_path, NAMES)
    assert found == [hashlib.sha256(b"other" * 1000).hexdigest(), *list(right.values())[1:]]
    (tmp_path / "below" / "b.png").write_bytes((tmp_path / "c.npz").read_bytes())
    (tmp_path / "moved").write_bytes(b"x")
    (tmp_path / "moved").replace(tmp_path / "c.npz")  # another inode
    assert digest_files(tmp_path, NAMES)[1:] == [right["c.npz"], hashlib.sha256(b"x").hexdigest()]


def test_a_file_changed_a_moment_ago_is_read_again(tmp_path, cache):
    right = write_files(tmp_path / "data")
    assert digest_files(tmp_path / "data", NAMES) == list(right.values())
    assert not list(cache.glob("digests/*"))  # a change within the clock's tick would leave no trace


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path, read, cache, monkeypatch):
    write_files(tmp_path / "data")
    reading = os.read

    def meddle(handle: int, size: int) -> bytes:
        (tmp_path / "data" / "c.npz").write_bytes(b"meanwhile")
        return reading(handle, size)

    monkeypatch.setattr(os, "read", meddle)
    digest_files(tmp_path / "data", ["c.npz"])
    assert not list(cache.glob("digests/*"))


def test_what_is_no_file_has_no_digest_and_nothing_waits(tmp_path, read):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    names = ["fifo.jpg", "folder.jpg", "dangling.jpg", "zero.jpg", "gone.jpg", "a" * 300, "nul\0.jpg"]
    for _ in range(2):
        assert digest_files(tmp_path, names) == [""] * len(names)
    assert digest_files(tmp_path / "nowhere", ["a"]) == [""]
    with pytest.raises(UserError, match=r"cannot read .*fifo\.jpg; check that it is a file") as caught:
        digest_file(tmp_path / "fifo.jpg")
    assert "\n" not in str(caught.value)


def test_names_of_any_bytes_are_kept(tmp_path, read):
    names = ["sch\udcf6n.jpg", "smile \U0001f600\n.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(b"1")
    assert (
        digest_files(tmp_path, names)
        == digest_files(tmp_path, names)
        == [digest_file(tmp_path / names[0])] * 2
    )
    assert len(read) == 2


def test_several_processes_may_look_at_once(tmp_path, cache):
    right = write_files(tmp_path / "data")
    script = (
        "import sys; from pathlib import Path; from pivl.data.cache import digests; digests.SETTLED = -10**9; "
        "[print(*digests.digest_files(Path(sys.argv[1]), [name])) for name in sys.argv[2:] * 5]"
    )
    words: Sequence[str | Path] = [sys.executable, "-c", script, tmp_path / "data"]
    running = [
        subprocess.Popen([*words, *NAMES[turn:], *NAMES[:turn]], stdout=subprocess.PIPE, text=True)
        for turn in range(2)
    ]
    said = [process.communicate()[0].split() for process in running]
    assert set(said[0]) == set(said[1]) == set(right.values())
    assert digest_files(tmp_path / "data", NAMES) == list(right.values())


def test_a_cache_that_cannot_be_written_costs_a_line_and_no_digest(tmp_path, monkeypatch, capsys):
    right = write_files(tmp_path / "data")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(digests, "SETTLED", -(10**9))
    assert digest_files(tmp_path / "data", NAMES) == list(right.values())
    assert not capsys.readouterr().err  # a moment's work
    monkeypatch.setattr(digests, "NOTICEABLE", 0.0)
    assert digest_files(tmp_path / "data", NAMES) == list(right.values())
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "so files are hashed each time; set PIVL_CACHE to a folder that can take it" in said


def test_without_a_home_folder_files_are_hashed_each_time(tmp_path, monkeypatch):
    right = write_files(tmp_path)
    monkeypatch.setattr(digests, "cache_folder", lambda: Path("~nobody-of-this-name").expanduser())
    monkeypatch.setattr(digests, "SETTLED", -(10**9))
    assert digest_files(tmp_path, NAMES) == list(right.values())


@COUNTS
def test_a_damaged_store_is_not_believed(count, tmp_path, read, cache):
    right = write_files(tmp_path / "data")
    digest_files(tmp_path / "data", NAMES)
    (store,) = cache.glob("digests/*")
    content = store.read_bytes()

    def look(path: Path) -> None:
        assert digest_files(tmp_path / "data", NAMES) == list(right.values())

    assert check_reader(store, content, look, count) == 0
    store.unlink()
    os.mkfifo(store)
    look(store)
    assert store.is_file()  # made anew
