"""Arrays of strangers: what numpy wrote comes back, anything else is one line before memory is taken."""

import io
import os
import zipfile

import numpy as np
import pytest

from pivl.errors import UserError
from pivl.system.numpy_files import read_array, read_arrays
from tests.support.array_files import SHAPE, npy
from tests.support.mutations import COUNTS, check_reader

ARRAYS = {
    "whole": np.arange(24, dtype=np.int64).reshape(2, 3, 4),
    "turned": np.asfortranarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)),
    "text": np.array("a text"),
    "none": np.zeros((0, 5), np.float16),
}


def npz(member: bytes, **options) -> bytes:
    """A .npz file of one member."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as archive:
        archive.writestr("values.npy", member)
    return content.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_written(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array, strict=True)


WRONG = {
    "absurd shape": (npy(SHAPE % "(32, 16, 1000000000000)"), "is not the"),
    "shape that overflows": (npy(SHAPE % "(4294967296, 4294967296)"), "is not the"),
    "negative shape": (npy(SHAPE % "(-1, -1)", b"1234"), "is not the"),
    "more than its shape": (npy(SHAPE % "(1,)", b"12345678"), "is not the"),
    "objects": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"12345678"), "Python objects"),
    "empty items": (npy("{'descr': '|V0', 'fortran_order': False, 'shape': (10000000000,)}"), "more than the"),
    "open bracket": (npy("{'descr': ("), "("),
    "deep header": (npy("(" * 9000), "("),
    "long number": (npy(SHAPE % ("9" * 5000)), "("),
    "long header": (npy(" " * 200_000, version=b"\2\0"), "("),
    "unknown version": (npy(SHAPE % "()", b"1234", b"\7\0"), "version (7, 0)"),
    "nothing": (b"", "("),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG)
def test_what_no_numpy_wrote_is_one_line(tmp_path, content, said):
    for name, read, whole in (("a.npy", read_array, content), ("a.npz", read_arrays, npz(content))):
        (tmp_path / name).write_bytes(whole)
        with pytest.raises(UserError) as refused:
            read(tmp_path / name)
        message = str(refused.value)
        assert message.startswith(f"cannot read {tmp_path / name} (")
        assert message.endswith("); write it again")
        assert said in message
        assert "\n" not in message
        assert len(message) < 400


def test_a_zip_bomb_or_a_strange_packing_is_not_unpacked(tmp_path):
    whole = npy(SHAPE % "(1000000,)", bytes(4_000_000))
    path = tmp_path / "a.npz"
    path.write_bytes(npz(whole, compression=zipfile.ZIP_DEFLATED))
    assert read_arrays(path)["values"].shape == (1_000_000,)
    with pytest.raises(UserError, match=r"float32 \(1000000,\) is more than the 4 MB that are read"):
        read_arrays(path, limit=3_999_999)
    np.savez(path, a=np.zeros(300_000), b=np.zeros(300_000))
    with pytest.raises(UserError, match="more than the 1 MB"):  # of the 4 that a has left
        read_arrays(path, limit=4_000_000 - 200_000)
    path.write_bytes(npz(whole, compression=zipfile.ZIP_BZIP2))
    with pytest.raises(UserError, match=r"values.npy is not packed as numpy packs it"):
        read_arrays(path)


@pytest.mark.parametrize("read", [read_array, read_arrays])
def test_what_is_no_file_is_one_line_and_nobody_waits(tmp_path, read):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("fifo", "folder", "link", "absent", "a" * 300, "a\0b"):
        with pytest.raises(UserError) as refused:
            read(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"cannot read /dev/zero \(not an ordinary file\)"):
        read(type(tmp_path)("/dev/zero"))


@COUNTS
def test_damaged_files_are_one_line(tmp_path, count):
    content = io.BytesIO()
    np.save(content, ARRAYS["turned"])
    check_reader(tmp_path / "a.npy", content.getvalue(), read_array, count)
    for save in (np.savez, np.savez_compressed):
        content = io.BytesIO()
        save(content, **ARRAYS)
        check_reader(tmp_path / "a.npz", content.getvalue(), read_arrays, count)
