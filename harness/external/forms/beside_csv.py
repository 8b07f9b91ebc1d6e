"""Descriptors [N, D] in .npy or .pt beside a csv file that says whom each row shows: ours, or OML's.

Ours has path, person, camera and split; of a file that lists training pictures too, the descriptors may be of all rows or
of the test rows. OML's has label, path, split, is_query and is_gallery, and a camera or a sequence.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.external.described import Array, Described, Side
from harness.external.forms.named import find_distances, join, read_named, settle, shapes
from harness.external.request import Reading
from pivl.data.datasets.names import plain_name
from pivl.data.datasets.strict_csv import read_csv
from pivl.data.listing import DISTRACTOR
from pivl.errors import UserError

OURS, OML = ("person", "camera", "split"), ("label", "is_query", "is_gallery")
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0", "")
CAMERAS = ("camera", "sequence")  # of OML's
Row = dict[str, str]


def read_beside(path: Path, arrays: dict[str, Array], reading: Reading) -> Described:
    """Reads a single array by the csv file beside it, and several by their names. Raises UserError, one line."""
    if "" not in arrays:
        return read_named(path, arrays, reading)
    people = reading.people or _beside(path)
    rows, values = read_people(people), arrays[""]
    if not reading.distances:
        return by_rows(path, people, values, rows, reading)
    _, query, _, gallery = _sides(people, rows)
    return settle(path, query, gallery, reading, distances=find_distances(path, {"distances": values}))


def by_rows(path: Path, people: Path, values: Array, rows: Sequence[Row], reading: Reading) -> Described:
    """Descriptors of `rows`, all of them or those of the test people alone."""
    test = [row for row in rows if row["query"] or row["gallery"]]
    if values.ndim != 2 or len(values) not in (len(rows), len(test)):
        of_test = "" if len(test) == len(rows) else f", or [{len(test)}, D], its test images"
        raise UserError(
            f"{path}: is {shapes({'an array': values})}; looked for [{len(rows)}, D], the rows of {people.name}{of_test}"
        )
    some, query, others, gallery = _sides(people, rows if len(values) == len(rows) else test)
    return settle(path, query, gallery, reading, features=(values[some], values[others]))


def _sides(people: Path, rows: Sequence[Row]) -> tuple[Array, Side, Array, Side]:
    """The places of queries among `rows` and whom they show, and the same of the gallery."""
    (some, query), (others, gallery) = (_side(people, rows, kind) for kind in ("query", "gallery"))
    person = join(people, "identities", query.person, gallery.person)
    camera = join(people, "cameras", query.camera, gallery.camera)
    family: tuple[Array | None, Array | None] = (None, None)
    if query.family is not None and gallery.family is not None:
        family = join(people, "families", query.family, gallery.family)
    sides = [
        Side(person[place], camera[place], side.names, family[place])
        for place, side in enumerate((query, gallery))
    ]
    return some, sides[0], others, sides[1]


def read_people(path: Path) -> list[Row]:
    """The rows of a csv file of either form: path, person, camera, and whether each is a query or in the gallery."""
    rows = [
        row
        for _, row in read_csv(path, ("path",), "person, camera and split, or label, is_query and is_gallery")
    ]
    header = set(rows[0]) if rows else set()
    if header.issuperset(OURS):
        return [_ours(path, row) for row in rows]
    if header.issuperset(OML):
        camera = next((name for name in CAMERAS if name in header), None)
        if camera is None:
            raise UserError(
                f"{path}: has neither a camera nor a sequence; retrieval leaves a query's own camera out"
            )
        return [_oml(path, row, camera) for row in rows]
    raise UserError(
        f"{path}: has {', '.join(sorted(header)) or 'no rows'}; looked for path, {', '.join(OURS)}, or for label, path, "
        "split, is_query and is_gallery"
    )


def _ours(path: Path, row: Row) -> Row:
    if row["split"] not in ("train", "query", "gallery"):
        raise UserError(f"{path}: split {row['split']!r:.40} is none of train, query, gallery")
    marks = {kind: "1" if row["split"] == kind else "" for kind in ("query", "gallery")}
    return {
        "path": row["path"],
        "person": _person(row["person"]),
        "camera": plain_name(row["camera"]),
        "family": row.get("family", ""),
        **marks,
    }


def _oml(path: Path, row: Row, camera: str) -> Row:
    marks = {kind: read_mark(path, kind, row[f"is_{kind}"]) for kind in ("query", "gallery")}
    return {"path": row["path"], "person": _person(row["label"]), "camera": plain_name(row[camera]), **marks}


def read_mark(path: Path, kind: str, text: str) -> str:
    """Returns "1" where a mark of OML's is true, else nothing. Raises UserError for what is neither true nor false."""
    said = text.lower()
    if said not in (*TRUE, *FALSE, "none", "nan"):
        raise UserError(f"{path}: is_{kind} is {said!r:.40}; write True or False")
    return "1" if said in TRUE else ""


def _person(name: str) -> str:
    plain = plain_name(name)
    return DISTRACTOR if plain.casefold() == DISTRACTOR else plain


def _side(path: Path, rows: Sequence[Row], kind: str) -> tuple[Array, Side]:
    """The places of a side among `rows`, and whom they show."""
    places = np.array([place for place, row in enumerate(rows) if row[kind]], dtype=np.int64)
    if not len(places):
        raise UserError(f"{path}: none of its rows is in the {kind}; mark some")
    of = [rows[place] for place in places]
    labels = {what: np.array([row[what] for row in of]) for what in ("person", "camera")}
    families = np.array([row.get("family", "") for row in of])
    names = tuple(row["path"] for row in of)
    return places, Side(
        labels["person"], labels["camera"], names, families if (families != "").all() else None
    )


def _beside(path: Path) -> Path:
    """The csv file of the same name, or the only one in the folder."""
    own = path.with_suffix(".csv")
    if own.exists():
        return own
    others = sorted(path.parent.glob("*.csv"))
    if len(others) == 1:
        return others[0]
    found = f"{len(others)} others" if others else "no other"
    raise UserError(f"{path}: no {own.name} beside it says whom it shows ({found}); name one with --people")
