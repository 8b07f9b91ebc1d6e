"""Reads descriptors or distances of a test set in the form that the name of the file tells."""

from pathlib import Path

from harness.external.described import Described
from harness.external.forms.mat_file import read_mat
from harness.external.forms.npy_file import read_npy
from harness.external.forms.npz_file import read_npz
from harness.external.forms.parquet_file import read_parquet
from harness.external.forms.picture_folder import read_folder
from harness.external.request import Reading
from pivl.errors import UserError

FORMS = (".npz", ".mat", ".npy", ".pt", ".pth", ".parquet")


def read_described(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line: what is in the file and what was looked for."""
    if path.is_dir():
        return read_folder(path, reading)
    if not path.exists():
        raise UserError(f"{path}: no such file; name one of {', '.join(FORMS)}, or a folder of .npy")
    match path.suffix.lower():
        case ".npz":
            return read_npz(path, reading)
        case ".mat":
            return read_mat(path, reading)
        case ".npy":
            return read_npy(path, reading)
        case ".parquet":
            return read_parquet(path, reading)
        case ".pt" | ".pth":
            from harness.external.forms.torch_file import read_pt

            return read_pt(path, reading)
    raise UserError(
        f"{path}: its name ends in none of {', '.join(FORMS)}; rename it, or save it as one of these"
    )
