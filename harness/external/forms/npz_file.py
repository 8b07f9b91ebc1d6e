"""Descriptors in a .npz file of numpy, as `extract` and most scripts write them."""

from pathlib import Path

from harness.external.described import Described
from harness.external.forms.named import read_named
from harness.external.request import Reading
from pivl.system.numpy_files import read_arrays


def read_npz(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    return read_named(path, read_arrays(path), reading)
