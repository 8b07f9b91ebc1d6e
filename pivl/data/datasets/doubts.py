"""What makes the numbers of a data set doubtful and stops nothing: copies, names that look alike, cameras apart."""

from collections.abc import Iterable, Sequence

from pivl.data.benchmarks import SETS, SetName
from pivl.data.datasets.names import look_alikes
from pivl.data.listing import Entry, Listing, in_order

NAMED = 12  # names in one line


def doubts(listing: Listing) -> list[str]:
    """Whatever is doubtful of a listing, a line each with its count and the first example."""
    junk = listing.ignored if listing.facts is None else 0
    left_out = [f"{listing.called}: {junk} images of person -1 are left out as junk"] if junk else []
    return [*copies(listing), *repeated(listing), *unclear_names(listing), *left_out]


def copies(listing: Listing) -> list[str]:
    """Pictures that are the same, byte for byte, in sets that must not share them: a line for each kind.

    Query and gallery may share those of one person and camera, which the market protocol leaves out.
    """
    train, query, gallery = (listing.entries[which] for which in SETS)
    leaked = _twins(train, [*query, *gallery], shows_alike=True)
    shown = _twins(query, gallery, shows_alike=False)
    return [
        *_count(listing, "train", leaked, "in query or gallery", "test images must not be trained on"),
        *_count(
            listing, "query", shown, "in the gallery under another camera or person",
            "whatever the model, it is found, or counted as wrong",
        ),
    ]  # fmt: skip


def repeated(listing: Listing) -> list[str]:
    """Pictures that are there several times, byte for byte, in one set: a line for each set."""
    lines: list[str] = []
    for which in SETS:
        first: dict[str, Entry] = {}
        again = [
            (one, first[one.digest])
            for one in listing.entries[which]
            if one.digest and first.setdefault(one.digest, one) is not one
        ]
        lines += _count(listing, which, again, f"in the {which} set itself", "it counts twice")
    return lines


def unclear_names(listing: Listing) -> list[str]:
    """Names that may be meant as one: a line for people, and one for cameras."""
    people = in_order({entry.person for which in SETS for entry in listing.entries[which]})
    lines = []
    for what, names in (("identities", people), ("cameras", listing.cameras)):
        if pairs := look_alikes(names):
            one, other = pairs[0]
            more = f" (and {len(pairs) - 1} more pairs)" if pairs[1:] else ""
            lines.append(
                f"{listing.called}: {what} {one!r} and {other!r}{more} are taken as two; spell them alike if they are one"
            )
    return lines


def cameras_of(listing: Listing, *sets: SetName) -> list[str]:
    """Returns the names of the cameras of these sets, in the order of their numbers."""
    numbers = {entry.camera for which in sets for entry in listing.entries[which]}
    return [listing.cameras[number] for number in sorted(numbers)]


def untrained_cameras(listing: Listing) -> list[str]:
    """Returns the names of cameras of test pictures that no training picture is by."""
    trained = {*cameras_of(listing, "train")}
    return [name for name in cameras_of(listing, "query", "gallery") if name not in trained]


def list_names(names: Sequence[str]) -> str:
    """Returns the names with commas, the first NAMED of them."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _twins(some: Iterable[Entry], others: Iterable[Entry], shows_alike: bool) -> list[tuple[Entry, Entry]]:
    """Each of `some` with a copy among `others`; with one of another person or camera, unless `shows_alike` will do."""
    there: dict[str, dict[tuple[str, int], Entry]] = {}
    for other in others:
        there.setdefault(other.digest, {}).setdefault((other.person, other.camera), other)
    found = []
    for one in some:
        alike = None if shows_alike else (one.person, one.camera)
        twins = (twin for shown, twin in there.get(one.digest, {}).items() if shown != alike)
        if one.digest and (twin := next(twins, None)):
            found.append((one, twin))
    return found


def _count(
    listing: Listing, which: SetName, twins: Sequence[tuple[Entry, Entry]], where: str, why: str
) -> list[str]:
    """Returns a line if there are any copies."""
    if not twins:
        return []
    one, other = twins[0]
    count = f"{len(twins)} of {len(listing.entries[which])} {which} images"
    return [
        f"{listing.called}: {count} {'has' if len(twins) == 1 else 'have'} a copy, byte for byte, {where} "
        f"(first: {one.name} and {other.name}); {why}"
    ]
