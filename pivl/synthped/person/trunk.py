"""The trunk and what hangs from it as solids: shirt, coat, skirt and dress, each garment one or two flared solids."""

import numpy as np

from pivl.synthped.person.materials import M
from pivl.synthped.person.skeleton import Skeleton, vector
from pivl.synthped.person.solids import Cloth, Inset, SolidList
from pivl.synthped.person.wardrobe import People


def add_trunk(solids: SolidList, people: People, s: Skeleton) -> None:
    """Pelvis, belly, chest, bust, shoulders and neck slope; an open coat shows the inner garment in a strip in front."""
    k, g, torso, pelvis = s.size, s.girth, s.torso, s.pelvis
    figure, build = people.figure.astype(np.float64), people.build.astype(np.float64)
    extra = np.where(people.wears("coat"), 0.014, np.where(_loose(people), 0.005, 0.0)) * k
    below = np.where(people.wears("jumpsuit") | people.wears("pants"), M["lower"], M["skirt"])
    top, ahead = M["top"], torso.forward
    hips = (0.142 + 0.018 * figure) * g
    waist = (0.132 - 0.014 * figure + 0.016 * build) * g
    chest = (0.158 - 0.014 * figure) * g
    seat = pelvis.at(0.0, -0.01 * k, -0.006 * k)
    solids.ellipsoid(
        seat, 0.125 * k * pelvis.up, hips, below, pelvis.forward, depth=0.66, cloth=Cloth(-0.12, 0.24)
    )

    belted = people.wears("pants") & people.wears("upper", "tucked")
    belt = Inset(np.where(belted, M["belt"], below), low=0.60, high=0.80)
    low, high = pelvis.at(0.0, -0.02 * k, 0.0), torso.at(0.0, 0.14 * k, 0.004 * k)
    radii = (hips, 0.5 * (hips + waist), waist)
    solids.add(low, high, radii, below, ahead, depth=0.66, inset=belt, cloth=Cloth(-0.02, 0.16))

    low, high = torso.at(0.0, 0.085 * k, 0.004 * k), torso.at(0.0, 0.41 * k, 0.0)
    radii = (waist + extra, chest + extra, (0.148 - 0.012 * figure) * g + extra)
    cloth = Cloth(0.085, 0.325, 8.0, logo=True)
    deep = 0.63 + 0.06 * np.maximum(build, 0.0)
    solids.add(low, high, radii, top, ahead, depth=deep, inset=_opening(people, k, 0.040, 0.014), cloth=cloth)

    center, cloth = torso.at(0.0, 0.305 * k, 0.036 * k), Cloth(0.225, 0.16, 8.0, logo=True)
    inset = _opening(people, k, 0.046, 0.0)
    half, radius = 0.080 * k * torso.up, 0.128 * g + 0.4 * extra
    solids.ellipsoid(center, half, radius, top, ahead, depth=0.62, on=figure > 0.5, inset=inset, cloth=cloth)

    center, half = torso.at(0.0, 0.402 * k, -0.006 * k), (s.shoulder_width + 0.004 * k) * torso.left
    solids.ellipsoid(center, half, 0.070 * k + 0.8 * extra, top, torso.up, cloth=Cloth(0.41, 0.0, 1.0))
    low, high = torso.at(0.0, 0.385 * k, -0.008 * k), torso.at(0.0, 0.535 * k, -0.010 * k)
    radii = (s.shoulder_width + 0.4 * extra, 0.128 * k + extra, 0.052 * k + 0.4 * extra)
    inset = _opening(people, k, 0.052, -0.012)
    solids.add(low, high, radii, top, ahead, depth=0.54, inset=inset, cloth=Cloth(0.385, 0.15, 8.0))


def add_hems(solids: SolidList, people: People, s: Skeleton) -> None:
    """What hangs from the waist, each one flared solid: a shirt's hem, a skirt or dress, and over them a coat's tails."""
    _add_shirt_hem(solids, people, s)
    _add_skirt(solids, people, s)
    _add_tails(solids, people, s)


def _add_shirt_hem(solids: SolidList, people: People, s: Skeleton) -> None:
    """The part of an untucked shirt below the waist."""
    k, g, figure = s.size, s.girth, people.figure.astype(np.float64)
    low, high = s.pelvis.at(0.0, -0.115 * k, -0.004 * k), s.torso.at(0.0, 0.13 * k, 0.004 * k)
    hips, thighs = _width_to_cover(people, s)
    radii = ((0.134 - 0.012 * figure) * g + 0.014 * k, 0.5 * (0.142 * g + thighs), hips + 0.006 * k)
    deep, on, cloth = (
        0.74 + 0.12 * (s.spread / k),
        _loose(people) & ~people.wears("coat"),
        Cloth(0.13, -0.245, 8.0),
    )
    solids.add(high, low, radii, M["top"], s.torso.forward, depth=deep, on=on, cloth=cloth)


def _add_skirt(solids: SolidList, people: People, s: Skeleton) -> None:
    """A skirt, or a dress from the waist down."""
    k, figure = s.size, people.figure.astype(np.float64)
    long = people.wears("skirt", "long") | people.wears("dress", "long")
    drop = np.where(long, 0.70, 0.37) * k
    hips, _ = _width_to_cover(people, s)
    radii = (0.135 * s.girth, hips + 0.012 * k, np.where(long, 0.205, 0.200) * k + 0.030 * figure * k)
    waist, end = s.torso.at(0.0, 0.115 * k, 0.004 * k), _below(s, drop)
    deep, on = 0.72 + 0.3 * (s.spread / k), people.wears("skirt") | people.wears("dress")
    cloth = Cloth(0.115, -0.115 * k - drop, 10.0)
    solids.add(waist, end, radii, M["skirt"], s.torso.forward, depth=deep, on=on, cloth=cloth)


def _add_tails(solids: SolidList, people: People, s: Skeleton) -> None:
    """A coat from the waist down; an open one shows what is under it."""
    k, g, figure = s.size, s.girth, people.figure.astype(np.float64)
    tails = people.wears("coat", "long coat", "open long coat")
    drop = np.where(tails, 0.46, 0.17) * k
    _, thighs = _width_to_cover(people, s)
    middle = np.where(tails, thighs + 0.030 * k, 0.5 * (0.156 * g + thighs) + 0.016 * k)
    radii = (0.152 * g, middle, np.where(tails, 0.208 * k, thighs + 0.018 * k) + 0.02 * figure * k)
    inset = _opening(people, k, 0.038, np.where(tails, 0.026, 0.012), _under_tails(people, tails))
    waist, end, ahead = s.torso.at(0.0, 0.12 * k, 0.004 * k), _below(s, drop), s.torso.forward
    deep, on, cloth = 0.75 + 0.3 * (s.spread / k), people.wears("coat"), Cloth(0.12, -0.12 * k - drop, 10.0)
    solids.add(waist, end, radii, M["top"], ahead, depth=deep, on=on, inset=inset, cloth=cloth)


def _width_to_cover(people: People, s: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """How far [N] hips and thighs together, and the thighs alone, reach to the side."""
    figure = people.figure.astype(np.float64)
    thighs = s.hip_width + (0.084 + 0.006 * figure) * s.girth + 0.012 * s.size
    return np.maximum((0.150 + 0.020 * figure) * s.girth, thighs), thighs


def _below(s: Skeleton, drop: np.ndarray) -> np.ndarray:
    """The point [3, N] that lies `drop` below the pelvis and sways with the knees."""
    sway = 0.25 * (s.knee[0][2] + s.knee[1][2]) - 0.5 * s.pelvis.origin[2]
    return s.pelvis.origin + vector(0.0, -drop, sway * drop / (0.40 * s.size))


def _loose(people: People) -> np.ndarray:
    """bool [N]: whose upper garment hangs over the waist."""
    return people.wears("upper", "untucked", "hooded")


def _under_tails(people: People, tails: np.ndarray) -> np.ndarray:
    """The material [N] that an open coat shows below the waist."""
    inner = people.wears("jumpsuit") | people.wears("dress") | (_loose(people) & ~tails)
    return np.where(people.wears("skirt"), M["skirt"], np.where(inner, M["inner"], M["lower"]))


def _opening(
    people: People,
    k: np.ndarray,
    side: float,
    taper: float | np.ndarray,
    inner: int | np.ndarray = M["inner"],
) -> Inset:
    """The strip in front where an open coat shows `inner`, or the thin line of buttons or a zip of a closed one."""
    opened = people.wears("coat", "open jacket", "open long coat")
    zipped = people.wears("upper", "hooded") & ~people.wears("coat")
    closed = people.wears("coat", "jacket", "long coat") | zipped
    width = np.where(opened, side * k, np.where(closed, 0.0065 * k, -1.0))
    taper = np.where(opened, np.multiply(taper, k), 0.0)
    return Inset(np.where(opened, inner, M["button"]), front=0.02, side=width, taper=taper)
