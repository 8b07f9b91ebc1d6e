"""Descriptors in a parquet file: a row per picture with a list column, person, camera, and split or marks as OML's."""

from pathlib import Path
from typing import Any

from harness.external.described import Array, Described
from harness.external.feature_files import META
from harness.external.forms.beside_csv import Row, by_rows, read_mark
from harness.external.forms.named import parse_facts
from harness.external.request import Reading
from pivl.errors import Unreadable, UserError, explain
from pivl.system.files import read_bytes

LARGEST = 2**32  # bytes
PACKED = 2**12  # times that a column may shrink, more than snappy or zstd make of numbers
FEATURES = ("feature", "features", "feat", "feats", "embedding", "embeddings", "vector", "descriptor")
COLUMNS = {
    "person": ("person", "label", "pid", "person_id", "label_id"),
    "camera": ("camera", "cam", "camid", "camera_id", "sequence"),
    "family": ("family",),
    "path": ("path", "name", "file", "filename"),
    "split": ("split", "set", "subset"),
}
ADVICE = "write it again with a row per image"


def read_parquet(path: Path, reading: Reading) -> Described:
    """Reads queries and gallery. Raises UserError, one line."""
    if reading.distances:
        raise UserError(
            f"{path}: holds descriptors; leave --distances out, or name a .npz or .npy file of them"
        )
    try:
        return _described(path, *_table(path), reading)
    except UserError:
        raise
    except Exception as error:  # Arrow has errors of its own for each way in which a file may be none of its
        raise Unreadable(path, explain(error, path), ADVICE) from error


def _described(path: Path, table: Any, facts: dict[str, str], reading: Reading) -> Described:
    columns = {name.lower(): name for name in table.column_names}
    feature = next((columns[name] for name in FEATURES if name in columns), None)
    found = {
        what: next((columns[one] for one in names if one in columns), None) for what, names in COLUMNS.items()
    }
    marks = [columns.get(f"is_{kind}") for kind in ("query", "gallery")]
    lacking = [what for what in ("person", "camera") if found[what] is None]
    lacking += ["feature"] * (feature is None) + ["split"] * (found["split"] is None and None in marks)
    if feature is None or lacking:
        listed = ", ".join(f"{name:.40}" for name in table.column_names[:12])
        raise UserError(f"{path}: no {' and no '.join(lacking)} column; it has {listed}; {ADVICE}")
    rows = [_row(path, found, marks, line) for line in table.drop_columns([feature]).to_pylist()]
    described = by_rows(path, path, _stack(path, feature, table.column(feature)), rows, reading)
    return Described(described.query, described.gallery, described.features, None, facts)


def _table(path: Path) -> tuple[Any, dict[str, str]]:
    from pyarrow import BufferReader, parquet

    content = read_bytes(path, LARGEST)
    file = parquet.ParquetFile(BufferReader(content))
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    if max(file.metadata.num_rows, *(group.total_byte_size for group in groups), 0) > PACKED * len(content):
        raise ValueError("it says that it is larger than it can be")
    said = (file.schema_arrow.metadata or {}).get(META.encode())
    return file.read(), parse_facts(said.decode()) if said else {}


def _row(path: Path, found: dict[str, str | None], marks: list[str | None], line: dict[str, Any]) -> Row:
    said = {what: str(line[name]) if name else "" for what, name in found.items()}
    if found["split"]:
        kinds = {kind: "1" if said["split"] == kind else "" for kind in ("query", "gallery")}
        if said["split"] not in ("train", "query", "gallery"):
            raise UserError(f"{path}: split {said['split']!r:.40} is none of train, query, gallery")
    else:
        kinds = {
            kind: read_mark(path, kind, str(line[name or ""]))
            for kind, name in zip(("query", "gallery"), marks, strict=True)
        }
    return {**{what: said[what] for what in ("path", "person", "camera", "family")}, **kinds}


def _stack(path: Path, name: str, column: Any) -> Array:
    """[N, D]: the lists of a column, which are of one length."""
    from pyarrow import compute, types

    kind = column.type
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        raise UserError(f"{path}: {name} is {kind!s:.40}; looked for a list of D numbers per image")
    lengths = compute.unique(compute.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise UserError(
            f"{path}: {name} has lists of {lengths!s:.40} numbers; looked for a list of D per image"
        )
    values: Array = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), -1)
