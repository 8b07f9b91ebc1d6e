"""The head as solids: skull and face, hair, hat and sunglasses, hung on the skeleton's head frame."""

import numpy as np

from pivl.synthped.person.materials import M
from pivl.synthped.person.skeleton import SIDES, Skeleton
from pivl.synthped.person.solids import Cloth, Inset, SolidList
from pivl.synthped.person.wardrobe import People


def add_head(solids: SolidList, people: People, s: Skeleton) -> None:
    """Skull, jaw, nose, eyes, lips, ears and neck; what of the skull stands out of the hair in front is the face."""
    k, torso, head = s.size, s.torso, s.head
    neck = (0.050 + 0.006 * people.build - 0.006 * people.figure) * k
    base, top = torso.at(0.0, 0.43 * k, -0.012 * k), head.at(0.0, -0.05 * k, -0.015 * k)
    throat = Inset(M["face"], front=-0.004)
    solids.add(base, top, (1.12 * neck, neck, neck), M["nape"], torso.forward, inset=throat)
    _ball(solids, s, (0.0, 0.0, 0.0), (0.072, 0.112, 0.090), M["face"])
    _ball(solids, s, (0.0, -0.058, 0.022), (0.054, 0.062, 0.066), M["face"])
    _ball(solids, s, (0.0, -0.022, 0.090), (0.012, 0.026, 0.018), M["face"])
    _ball(solids, s, (0.0, -0.070, 0.078), (0.022, 0.008, 0.012), M["lips"])
    bare_eyes, ears = ~people.wears("sunglasses"), people.wears("hair", "short", "tied")
    for side in SIDES:
        _ball(solids, s, (side * 0.030, 0.012, 0.077), (0.015, 0.009, 0.013), M["eye"], bare_eyes)
        _ball(solids, s, (side * 0.072, -0.012, -0.005), (0.012, 0.030, 0.018), M["face"], ears)
    _add_hair(solids, people, s)
    _add_hat(solids, people, s)
    _ball(solids, s, (0.0, 0.014, 0.070), (0.066, 0.018, 0.029), M["sunglasses"], ~bare_eyes)


def _add_hair(solids: SolidList, people: People, s: Skeleton) -> None:
    """A shell set up and back on the skull, and behind it what falls, curls or is tied."""
    k, head, hair = s.size, s.head, M["hair"]
    curly, covered = people.wears("hair", "curly"), people.wears("hat")
    puff = np.where(curly & ~covered, 0.024, 0.0)
    rise = np.where(covered, 0.006, 0.024 + 0.4 * puff)
    _ball(solids, s, (0.0, rise, -0.020 - 0.7 * puff), (0.080 + puff, 0.113 + 0.6 * puff, 0.094 + puff), hair)
    fall = np.where(curly, -0.005, -0.030)
    side = np.where(curly, 0.098, 0.088)
    _ball(
        solids,
        s,
        (0.0, fall, fall / 5 - 0.030),
        (side, 0.105, 0.080),
        hair,
        people.wears("hair", "bobbed", "curly"),
    )
    long = people.wears("hair", "long")
    crown, tips = head.at(0.0, 0.10 * k, -0.03 * k), head.at(0.0, -0.36 * k, -0.085 * k)
    strands = Cloth(0.0, 0.4)
    solids.add(
        crown, tips, (0.04 * k, 0.093 * k, 0.050 * k), hair, head.forward, depth=0.66, on=long, cloth=strands
    )
    _ball(solids, s, (0.0, -0.33, -0.08), (0.058, 0.06, 0.038), hair, long)
    tied, high = people.wears("hair", "tied"), people.texture_seed % 2 == 0
    knot = np.where(high, 0.055, -0.02)
    _ball(solids, s, (0.0, knot, -0.118), (0.044, 0.046, 0.044), hair, tied)
    _ball(solids, s, (0.0, knot - 0.10, -0.135), (0.032, 0.11, 0.032), hair, tied & ~high)


def _add_hat(solids: SolidList, people: People, s: Skeleton) -> None:
    """The crown of a hat, and the peak of a cap or the brim around a hat."""
    beanie, brimmed = people.wears("hat", "beanie"), people.wears("hat", "brimmed hat")
    size = (np.where(beanie, 0.091, 0.088), np.where(beanie, 0.088, 0.078), np.where(beanie, 0.103, 0.100))
    _ball(solids, s, (0.0, np.where(beanie, 0.058, 0.064), -0.012), size, M["hat"], people.wears("hat"))
    reach = np.where(brimmed, 0.150, 0.068)
    ahead = np.where(brimmed, -0.005, 0.105)
    _ball(
        solids, s, (0.0, 0.052, ahead), (reach, 0.013, 1.06 * reach), M["hat"], people.wears("hat") & ~beanie
    )


def _ball(
    solids: SolidList,
    s: Skeleton,
    at: tuple[float | np.ndarray, float | np.ndarray, float | np.ndarray],
    half: tuple[float | np.ndarray, float | np.ndarray, float | np.ndarray],
    material: int,
    on: bool | np.ndarray = True,
) -> None:
    """An ellipsoid upright in the head's frame: place (left, up, forward) and half-axes, of a 1.75 m body."""
    k, head = s.size, s.head
    center = head.at(at[0] * k, at[1] * k, at[2] * k)
    wide, tall, deep = half
    solids.ellipsoid(
        center,
        tall * k * head.up,
        wide * k,
        material,
        head.forward,
        depth=np.divide(deep, wide),
        on=on,
        cloth=Cloth(0.0, 0.3),
    )
