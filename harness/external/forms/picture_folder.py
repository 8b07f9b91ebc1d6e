"""Descriptors as a folder with one .npy per picture, named as Market-1501 names it: what fast-reid's demo writes.

Queries lie in its folder query and the gallery in bounding_box_test, test or gallery; or a csv file, named with --people,
says which is which. Person and camera are in the name: 0002_c1s1_000451_03.npy, DukeMTMC's 0005_c2_f0046985.npy.
"""

import re
from pathlib import Path

import numpy as np

from harness.external.described import Array, Described, Side
from harness.external.forms.beside_csv import by_rows, read_people
from harness.external.forms.named import settle
from harness.external.request import Reading
from pivl.errors import UserError
from pivl.system.numpy_files import read_array

NAME = re.compile(r"(-1|\d{1,9})_c(\d{1,4})")
GALLERIES = ("bounding_box_test", "gallery", "test")
LARGEST = 2**20  # bytes of one descriptor


def read_folder(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    if reading.people is not None:
        return _by_people(path, reading.people, reading)
    gallery = next((path / name for name in GALLERIES if (path / name).is_dir()), None)
    if gallery is None or not (path / "query").is_dir():
        inside = sorted(one.name for one in path.iterdir())[:4]
        raise UserError(
            f"{path}: holds {', '.join(inside) or 'nothing'}, ...; looked for the folders query and "
            f"{GALLERIES[0]} (or {', '.join(GALLERIES[1:])}), or name --people people.csv"
        )
    query, queries = _read_side(path / "query")
    others, pictures = _read_side(gallery)
    return settle(path, query, others, reading, features=(queries, pictures))


def _read_side(folder: Path) -> tuple[Side, Array]:
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise UserError(f"{folder}: holds no .npy; looked for one per image, as 0002_c1s1_000451_03.npy")
    matches = [(file, NAME.match(file.name)) for file in files]
    for file, match in matches:
        if match is None:
            raise UserError(
                f"{file}: tells no person and camera; name it as 0002_c1s1_000451_03.npy, or name --people"
            )
    known = [match for _, match in matches if match]
    person, camera = (np.array([int(match[part]) for match in known]) for part in (1, 2))
    return Side(person, camera, tuple(file.stem for file in files)), _stack(files)


def _by_people(path: Path, people: Path, reading: Reading) -> Described:
    rows = [row for row in read_people(people) if row["query"] or row["gallery"]]
    return by_rows(path, people, _stack([_find(path, row["path"]) for row in rows]), rows, reading)


def _find(folder: Path, picture: str) -> Path:
    name = Path(picture).with_suffix(".npy")
    found = next((one for one in (folder / name, folder / name.name) if one.is_file()), None)
    if found is None:
        raise UserError(
            f"{folder}: no {name.name} of the image {picture}; describe it too, or remove its row"
        )
    return found


def _stack(files: list[Path]) -> Array:
    """[N, D] of files with [D] or [1, D] each."""
    found: list[Array] = []
    for file in files:
        values = read_array(file, LARGEST).reshape(-1)
        if found and values.shape != found[0].shape:
            raise UserError(
                f"{file}: has {len(values)} numbers, {files[0].name} has {len(found[0])}; they are of two models"
            )
        if values.dtype.kind not in "fiu":
            raise UserError(f"{file}: holds {values.dtype!s:.40}, not numbers; save it as float32")
        found.append(values)
    return np.stack(found)
