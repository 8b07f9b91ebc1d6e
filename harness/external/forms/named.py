"""Queries and gallery in arrays under the names in use: query_f, query_label, query_cam, gallery_f and so on.

Arrays may stand as MATLAB has them, [1, N]. People and cameras are numbers or texts; a person of -1 is junk, which is
left out, and so are its columns of a matrix of distances.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.external.described import JUNK, Array, Described, Side
from harness.external.feature_files import META
from harness.external.request import Reading
from pivl.data.datasets.names import is_negative, is_no_name, plain_name
from pivl.errors import UserError

PREFIXES = {"query": ("query_", "q_", "q"), "gallery": ("gallery_", "g_", "g")}
WORDS = {
    "features": ("f", "feature", "features", "feat", "feats", "embeddings"),
    "identities": ("label", "labels", "person", "persons", "people", "pid", "pids", "id", "ids"),
    "cameras": ("cam", "cams", "camera", "cameras", "camid", "camids"),
    "families": ("family", "families"),
    "names": ("name", "names", "path", "paths"),
}
DISTANCES = ("distances", "distance", "distmat", "dist", "dist_mat")
SHOWN = 8  # names of a file that a message has room for


def read_named(path: Path, arrays: Mapping[str, Array], reading: Reading) -> Described:
    """Returns what the arrays of a file describe. Raises UserError, one line: what it has, and what was looked for."""
    labels = {
        what: [flat(path, *find(path, arrays, kind, what)) for kind in PREFIXES]
        for what in ("identities", "cameras")
    }
    people, cameras = (join(path, what, *both) for what, both in labels.items())
    names = [_names(path, arrays, kind) for kind in PREFIXES]
    families = [_family(path, arrays, kind) for kind in PREFIXES]
    query, gallery = (Side(people[at], cameras[at], names[at], families[at]) for at in (0, 1))
    facts = read_facts(path, arrays)
    if reading.distances:
        return settle(path, query, gallery, reading, distances=find_distances(path, arrays), facts=facts)
    features = [find(path, arrays, kind, "features")[1] for kind in PREFIXES]
    return settle(path, query, gallery, reading, features=(features[0], features[1]), facts=facts)


def _names(path: Path, arrays: Mapping[str, Array], kind: str) -> tuple[str, ...]:
    found = look_for(path, arrays, kind, "names")
    return tuple(map(str, flat(path, *found))) if found else ()


def _family(path: Path, arrays: Mapping[str, Array], kind: str) -> Array | None:
    """Numbers of families, as `extract` writes them."""
    found = look_for(path, arrays, kind, "families")
    return join(path, "families", *[flat(path, *found)] * 2)[0] if found else None


def find(path: Path, arrays: Mapping[str, Array], kind: str, what: str) -> tuple[str, Array]:
    """The array of a side, behind its name in the file."""
    found = look_for(path, arrays, kind, what)
    if found is None:
        wanted = ", ".join(_spellings(kind, what)[:4])
        raise UserError(f"{path}: no {what} of its {kind}; it has {shapes(arrays)}; looked for {wanted}, ...")
    return found


def look_for(path: Path, arrays: Mapping[str, Array], kind: str, what: str) -> tuple[str, Array] | None:
    """The array of a side, behind its name in the file; None where there is none."""
    found = [name for name in arrays if name.lower() in _spellings(kind, what)]
    if len(found) > 1:
        raise UserError(
            f"{path}: {' and '.join(found[:2])} may both be the {what} of its {kind}; leave one out"
        )
    return (found[0], arrays[found[0]]) if found else None


def _spellings(kind: str, what: str) -> list[str]:
    return [f"{prefix}{word}" for prefix in PREFIXES[kind] for word in WORDS[what]]


def find_distances(path: Path, arrays: Mapping[str, Array]) -> Array:
    """The matrix of distances."""
    found = [name for name in arrays if name.lower() in DISTANCES]
    if len(found) != 1:
        raise UserError(
            f"{path}: no distances, or several; it has {shapes(arrays)}; looked for one of {', '.join(DISTANCES)}"
        )
    return arrays[found[0]]


def shapes(arrays: Mapping[str, Array]) -> str:
    """The names and shapes of arrays: `query_f [3368, 2048], query_label [1, 3368]`."""
    said = [f"{name!s:.40} {list(value.shape)}" for name, value in list(arrays.items())[:SHOWN]]
    return ", ".join(said + (["..."] if len(arrays) > SHOWN else [])) or "no arrays"


def read_facts(path: Path, arrays: Mapping[str, Array]) -> dict[str, str]:
    """The facts that a file which `extract` wrote says of itself; empty for others."""
    if META not in arrays:
        return {}
    try:
        return parse_facts(str(arrays[META]))
    except ValueError as error:
        raise UserError(f"{path}: its {META} is not what extract writes; extract it again") from error


def parse_facts(text: str) -> dict[str, str]:
    """The facts in JSON. Raises ValueError for anything but texts by name."""
    value = json.loads(text)
    if not isinstance(value, dict) or not all(
        isinstance(one, str) and one.isprintable() for one in value.values()
    ):
        raise ValueError("no facts")
    return value


def flat(path: Path, name: str, values: Array) -> Array:
    """[N]: labels that stand as [N], [1, N] or [N, 1]."""
    if values.ndim > 2 or (values.ndim == 2 and min(values.shape) > 1) or values.ndim == 0:
        raise UserError(
            f"{path}: {name:.40} is {list(values.shape)}; labels are a row, a number or a text each"
        )
    return values.reshape(-1)


def join(path: Path, what: str, query: Array, gallery: Array) -> tuple[Array, Array]:
    """People, or cameras, of both sides as int64: numbers as they are, texts numbered in sorted order, -1 as junk.

    A text is the name that it spells, as in a data set's csv file: 01 and 1.0 are 1, and nan is none.
    """
    if query.dtype.kind in "iufb" and gallery.dtype.kind in "iufb":
        numbers = np.concatenate([query.astype(float), gallery.astype(float)])
        if (
            not np.isfinite(numbers).all()
            or (numbers != np.rint(numbers)).any()
            or (abs(numbers) > 2**52).any()
        ):
            raise UserError(f"{path}: its {what} are no whole numbers; give each a number or a text")
        found = numbers.astype(np.int64)
    elif query.dtype.kind in "US" and gallery.dtype.kind in "US":
        sides = [[plain_name(one) for one in side.tolist()] for side in (query, gallery)]
        for kind, names in zip(("query", "gallery image"), sides, strict=True):
            for place, name in enumerate(names, 1):
                if is_no_name(name):
                    raise UserError(
                        f"{path}: {name!r:.40} is no name among its {what}, {kind} {place}; give each one"
                    )
        both = [*sides[0], *sides[1]]
        numbered = np.unique(both, return_inverse=True)[1].astype(np.int64) + 1
        found = np.where([is_negative(one) for one in both], JUNK - 1, numbered)
        found[[one == str(JUNK) for one in both]] = JUNK
    else:
        kinds = f"{query.dtype} and {gallery.dtype}"
        raise UserError(
            f"{path}: its {what} are {kinds:.60}; give them as numbers, or as texts, on both sides"
        )
    if (found < JUNK).any():
        raise UserError(
            f"{path}: numbers below {JUNK} are among its {what}; {JUNK} marks junk, all others are from 0 up"
        )
    return found[: len(query)], found[len(query) :]


def settle(
    path: Path, query: Side, gallery: Side, reading: Reading, features: tuple[Array, Array] | None = None,
    distances: Array | None = None, facts: Mapping[str, str] | None = None,
) -> Described:  # fmt: skip
    """Returns what was found, held to its own sizes, without junk. Raises UserError, one line, for what does not fit."""
    for kind, side in (("query", query), ("gallery", gallery)):
        counts = {"identities": len(side.person), "cameras": len(side.camera)}
        counts |= {"names": len(side.names)} if side.names else {}
        counts |= {} if side.family is None else {"families": len(side.family)}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise UserError(f"{path}: its {kind} has {said}; each image has one of each")
    if distances is not None:
        distances = _distances(path, distances, len(query), len(gallery), reading)
    if features is not None:
        features = _features(path, features, len(query), len(gallery))
    kept = [np.flatnonzero(side.person != JUNK) for side in (query, gallery)]
    for kind, places in zip(PREFIXES, kept, strict=True):
        if not len(places):
            raise UserError(f"{path}: its {kind} has no image, or only junk; check its identities")
    return Described(
        query.take(kept[0]),
        gallery.take(kept[1]),
        None if features is None else (features[0][kept[0]], features[1][kept[1]]),
        None if distances is None else distances[np.ix_(*kept)],
        facts or {},
    )


def _features(path: Path, features: tuple[Array, Array], queries: int, pictures: int) -> tuple[Array, Array]:
    for kind, values, count in zip(PREFIXES, features, (queries, pictures), strict=True):
        if values.ndim != 2 or len(values) != count or not values.shape[1]:
            raise UserError(
                f"{path}: features of its {kind} are {list(values.shape)}; looked for [{count}, D]"
            )
    if features[0].shape[1] != features[1].shape[1]:
        raise UserError(
            f"{path}: queries have {features[0].shape[1]} numbers each and the gallery {features[1].shape[1]}; "
            "they come from two models"
        )
    return numbers(path, "features", features[0]), numbers(path, "features", features[1])


def _distances(path: Path, values: Array, queries: int, pictures: int, reading: Reading) -> Array:
    if reading.gallery_first and values.ndim == 2:
        values = values.T
    if values.shape != (queries, pictures):
        other = values.shape == (pictures, queries)
        advice = "; name --gallery-first, or leave it out" if other else ""
        raise UserError(
            f"{path}: its distances are {list(values.shape)} for {queries} queries and {pictures} gallery images"
            f"{advice}"
        )
    return numbers(path, "distances", values)


def numbers(path: Path, what: str, values: Array) -> Array:
    """The values as float32. Raises UserError for what are no numbers, or not finite."""
    if values.dtype.kind not in "fiu":
        raise UserError(f"{path}: its {what} are {values.dtype!s:.40}, not numbers; save them as float32")
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(found).all():
        raise UserError(
            f"{path}: its {what} hold numbers that are not finite (NaN or infinity); write it again"
        )
    return found
