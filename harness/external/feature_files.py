"""Writes descriptors as files: .npz under the field's names, .parquet with a list column, .npy beside a csv file."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.external.described import Described, Folder
from pivl.errors import UserError
from pivl.system.outputs import write_output

META = "pivl"  # the member of a .npz, and the key of a parquet file's metadata, that says what else is known, as JSON
FORMS = (".npz", ".parquet", ".npy")


def check_name(path: Path) -> None:
    """Raises UserError for a file name that ends in none of FORMS, or whose csv file may be a data set's."""
    if path.suffix not in FORMS:
        raise UserError(
            f"{path}: the form is told by the name; end it in {', '.join(FORMS[:-1])} or {FORMS[-1]}"
        )
    beside = path.with_suffix(".csv")
    if path.suffix == ".npy" and beside.exists() and not path.exists():
        raise UserError(
            f"{beside} is there without {path.name}, and would be written anew; choose another name"
        )


def write_features(path: Path, described: Described | Folder) -> None:
    """Writes descriptors in the form that the name of the file tells. Raises UserError where it cannot be written."""
    check_name(path)
    write = {".npz": _write_npz, ".parquet": _write_parquet, ".npy": _write_npy}[path.suffix]
    write(path, described)


def _write_npz(path: Path, described: Described | Folder) -> None:
    arrays: dict[str, Any] = {META: np.array(json.dumps(dict(described.facts)))}
    if isinstance(described, Folder):
        arrays |= {"feature": described.feature, "name": np.array(described.names)}
    else:
        assert described.features is not None
        for kind, side, feature in zip(
            ("query", "gallery"), (described.query, described.gallery), described.features, strict=True
        ):
            arrays |= {f"{kind}_f": feature, f"{kind}_label": side.person, f"{kind}_cam": side.camera}
            arrays |= {f"{kind}_name": np.array(side.names)}
            arrays |= {} if side.family is None else {f"{kind}_family": side.family}
    write_output(path, lambda file: _save_npz(file, arrays))


def _save_npz(file: Path, arrays: dict[str, Any]) -> None:
    with open(file, "wb") as target:  # by its handle: numpy would add .npz to a temporary name
        np.savez(target, **arrays)


def _rows(described: Described | Folder) -> Iterator[dict[str, Any]]:
    """A line per picture: path, and of a data set person, camera and split."""
    if isinstance(described, Folder):
        yield from ({"path": name} for name in described.names)
        return
    for split, side in (("query", described.query), ("gallery", described.gallery)):
        columns = {"person": side.person, "camera": side.camera}
        columns |= {} if side.family is None else {"family": side.family}
        for place, name in enumerate(side.names):
            yield {"path": name, **{key: int(of[place]) for key, of in columns.items()}, "split": split}


def _stacked(described: Described | Folder) -> np.ndarray:
    return described.feature if isinstance(described, Folder) else np.concatenate(described.features or ())


def _write_parquet(path: Path, described: Described | Folder) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    feature = _stacked(described)
    table = pa.Table.from_pylist(list(_rows(described)))
    values = pa.FixedSizeListArray.from_arrays(pa.array(feature.ravel()), feature.shape[1])
    table = table.append_column("feature", values)
    table = table.replace_schema_metadata({META: json.dumps(dict(described.facts))})
    write_output(path, lambda file: parquet.write_table(table, file))


def _write_npy(path: Path, described: Described | Folder) -> None:
    feature, rows = _stacked(described), list(_rows(described))

    def write_people(file: Path) -> None:
        with open(file, "w", newline="", encoding="utf-8") as target:
            writer = csv.DictWriter(target, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def write_array(file: Path) -> None:
        with open(file, "wb") as target:
            np.save(target, feature)

    write_output(path.with_suffix(".csv"), write_people)
    write_output(path, write_array)
