"""Descriptors [N, D], or distances, in a .npy file beside a csv file."""

from pathlib import Path

from harness.external.described import Described
from harness.external.forms.beside_csv import read_beside
from harness.external.request import Reading
from pivl.system.numpy_files import read_array


def read_npy(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    return read_beside(path, {"": read_array(path)}, reading)
