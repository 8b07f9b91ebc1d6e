"""Test sets told apart by what decides scores: which pictures show one person, and which are by one camera.

Names of people and cameras are each code's own, so only the partition counts; queries count in their order, the gallery
does not. Pictures of people whom no query shows are wrong answers, whoever they are.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from harness.external.described import Array, Described, Side
from pivl.errors import UserError

OTHER = -1  # somebody whom no query shows, a camera that no query is by


def arrange(described: Described) -> Described:
    """The test set in the order of its queries' names and of its gallery's, where it has names that tell them apart."""
    orders = [_order(side) for side in (described.query, described.gallery)]
    features, distances = described.features, described.distances
    return Described(
        described.query.take(orders[0]),
        described.gallery.take(orders[1]),
        None if features is None else (features[0][orders[0]], features[1][orders[1]]),
        None if distances is None else distances[np.ix_(*orders)],
        described.facts,
    )


def _order(side: Side) -> Array:
    unique = side.names and len(set(side.names)) == len(side)
    return np.argsort(np.array(side.names), kind="stable") if unique else np.arange(len(side))


def codes(values: Array) -> Array:
    """Labels numbered by where each appears first."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def digest(described: Described) -> str:
    """64 hexadecimal digits over what decides scores."""
    query, gallery = described.query, described.gallery
    pairs = [_known(query.person, gallery.person), _known(query.camera, gallery.camera)]
    listed = np.stack(pairs, axis=1)
    listed = listed[np.lexsort(listed.T[::-1])]
    parts = (codes(query.person), codes(query.camera), listed)
    return hashlib.sha256(b"|".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def digest_content(described: Described) -> str:
    """64 hexadecimal digits over all that is scored: features or distances, and whom each of their rows shows.

    Unlike `digest` it tells apart what different methods, settings or labels make of one test set.
    """
    found = hashlib.sha256()
    for side in (described.query, described.gallery):
        for labels in (side.person, side.camera, side.cluster):
            found.update(np.ascontiguousarray(labels).tobytes())
    for array in (*(described.features or ()), described.distances):
        if array is not None:
            found.update(f"{array.shape}{array.dtype}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _known(query: Array, gallery: Array) -> Array:
    """The codes of the gallery's labels among those of the queries, OTHER for labels that these do not have."""
    known = dict(zip(query.tolist(), codes(query).tolist(), strict=True))
    return np.array([known.get(one, OTHER) for one in gallery.tolist()], dtype=np.int64)


def check_same(sets: Sequence[tuple[str, Described]]) -> None:
    """Raises UserError, one line, unless all files, by their names, describe one test set."""
    (first, wanted), *others = sets
    for name, found in others:
        if digest(found) != digest(wanted):
            raise UserError(f"{name} is of another test set than {first}: {_difference(found, wanted)}")


def _difference(found: Described, wanted: Described) -> str:
    for what, ours, theirs in (
        ("queries", found.query, wanted.query),
        ("gallery images", found.gallery, wanted.gallery),
    ):
        if len(ours) != len(theirs):
            return f"{len(ours)} {what}, not {len(theirs)}"
    for what, own, other in (
        ("identities", found.query.person, wanted.query.person),
        ("cameras", found.query.camera, wanted.query.camera),
    ):
        differs = np.flatnonzero(codes(own) != codes(other))
        if len(differs):
            same = np.array_equal(np.sort(own), np.sort(other))
            order = "; they may stand in another order: save the images' names with them" if same else ""
            return f"its queries show other {what}, first query {differs[0] + 1}{order}"
    return "its gallery shows other identities or cameras"
