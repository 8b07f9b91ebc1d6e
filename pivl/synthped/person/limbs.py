"""Arms and legs as solids: sleeves and trousers, hands and gloves, socks, shoes and boots."""

import numpy as np

from pivl.synthped.person.materials import M
from pivl.synthped.person.skeleton import SIDES, Skeleton, cross, vector
from pivl.synthped.person.solids import Cloth, Inset, SolidList
from pivl.synthped.person.wardrobe import People

LEFT_RIGHT = ("left", "right")


def add_arms(solids: SolidList, people: People, s: Skeleton) -> None:
    """Arms in skin or sleeves, hands in skin or gloves; a short sleeve is a wider tube over the bare upper arm."""
    k, forward = s.size, s.torso.forward
    bare = people.bare_arms()
    ease = np.where(bare, 0.0, np.where(people.wears("coat"), 0.017, 0.009)) * k
    r = (1.0 - 0.10 * people.figure) * s.girth
    for place, name in enumerate(LEFT_RIGHT):
        shoulder, elbow, wrist, finger = s.shoulder[place], s.elbow[place], s.wrist[place], s.finger[place]
        skin = M[f"{name} arm"]
        sleeve = np.where(bare, skin, M["top"])
        upper, fore = elbow - shoulder, wrist - elbow
        cap = shoulder + vector(-0.014 * k * SIDES[place], -0.030 * k, 0.0)
        round_cap = 0.042 * r + np.where(bare, 0.009 * k, 0.80 * ease)
        half, cloth = vector(0.0, 0.056 * k, 0.0), Cloth(0.38, 0.12, 3.0)
        solids.ellipsoid(cap, half, round_cap, M["top"], forward, cloth=cloth)
        radii = (0.041 * r + ease, 0.042 * r + ease, 0.035 * r + ease)
        solids.add(shoulder, elbow, radii, sleeve, forward, cloth=Cloth(0.44, -0.28, 3.0))
        joint, cloth = 0.0355 * r + ease, Cloth(0.20, -0.08, 3.0)
        solids.ellipsoid(elbow, 0.14 * upper, joint, sleeve, forward, cloth=cloth)
        radii = (0.035 * r + ease, 0.034 * r + ease, 0.024 * r + 1.15 * ease)
        solids.add(elbow, wrist, radii, sleeve, forward, cloth=Cloth(0.16, -0.25, 3.0))
        radii, end, cloth = (
            (0.050 * r, 0.053 * r, 0.056 * r),
            shoulder + 0.62 * upper,
            Cloth(0.44, -0.17, 3.0),
        )
        solids.add(shoulder, end, radii, M["top"], forward, on=bare, cloth=cloth)
        hand = np.where(people.wears("gloves"), M[f"{name} glove"], skin)
        reach, across = 0.5 * (finger - wrist), s.torso.left
        palm = wrist + 0.9 * reach
        solids.ellipsoid(palm, reach, 0.036 * k, hand, across, depth=0.60)
        thumb = palm - 0.05 * reach + 0.020 * k * forward
        solids.ellipsoid(thumb, 0.52 * reach, 0.014 * k, hand, across)
        cuff = np.where(bare, 0.0, 1.0) * (0.024 * r + 1.35 * ease)
        edge, cloth = elbow + 0.93 * fore, Cloth(-0.07, -0.02)
        solids.add(edge, wrist, (cuff, cuff, cuff), sleeve, forward, on=~bare, cloth=cloth)


def add_legs(solids: SolidList, people: People, s: Skeleton) -> None:
    """Legs in trousers or skin with socks; shorts are wider tubes over bare thighs."""
    k, forward = s.size, s.pelvis.forward
    shorts, wide = people.wears("pants", "shorts"), people.wears("pants", "wide trousers")
    long = people.wears("jumpsuit") | (people.wears("pants") & ~shorts)
    thick = np.where(long, 0.011, 0.0) * k
    flare = np.where(long, np.where(wide, 0.046, 0.018), 0.0) * k
    r = (1.0 + 0.06 * people.figure) * s.girth
    cloak, hem = _cover_of_thighs(people)
    at_knee = Inset(cloak, high=np.where(hem > 0.96, 9.0, -9.0))
    seated = (long | shorts) & ~people.wears("coat") & ~people.wears("upper", "untucked", "hooded")
    for place, name in enumerate(LEFT_RIGHT):
        hip, knee, ankle = s.hip[place], s.knee[place], s.ankle[place]
        cloth = np.where(long, M["lower"], M[f"{name} leg"])
        thigh = knee - hip
        radii = (0.083 * r + thick, 0.074 * r + thick, 0.052 * r + thick)
        solids.add(hip, knee, radii, cloth, forward, inset=Inset(cloak, high=hem), cloth=Cloth(0.0, -0.43))
        solids.ellipsoid(
            knee, 0.14 * thigh, 0.0535 * r + thick, cloth, forward, inset=at_knee, cloth=Cloth(-0.37, -0.12)
        )
        end = ankle + 0.03 * k * s.shin[place] * np.where(wide, 1.0, 0.2)
        radii = (0.053 * r + thick, 0.052 * r + 0.7 * thick + 0.5 * flare, 0.033 * r + flare)
        solids.add(
            knee, end, radii, cloth, forward, inset=_cover_of_shin(people, cloth), cloth=Cloth(-0.43, -0.42)
        )
        radii, above = (0.094 * r, 0.093 * r, 0.082 * r + 0.012 * k), Inset(cloak, high=1.11 * hem)
        solids.add(
            hip,
            knee - 0.10 * thigh,
            radii,
            M["lower"],
            forward,
            on=shorts,
            inset=above,
            cloth=Cloth(0.0, -0.38),
        )
        seat = hip - 0.025 * k * s.pelvis.up - 0.022 * k * forward
        half, radius = 0.115 * k * s.pelvis.up, 0.079 * r + 0.6 * thick
        solids.ellipsoid(seat, half, radius, M["lower"], forward, on=seated, cloth=Cloth(-0.13, 0.2))
        _add_shoe(solids, people, s, place, long & ~wide)


def _cover_of_thighs(people: People) -> tuple[np.ndarray, np.ndarray]:
    """What hangs over the thighs, and down to where: painted on them, so that no sliver of leg shows through it."""
    skirt = people.wears("skirt") | people.wears("dress")
    long_skirt = people.wears("skirt", "long") | people.wears("dress", "long")
    reach = np.where(long_skirt, 9.0, np.where(skirt, 0.80, 0.0))
    tails = np.where(people.wears("coat", "long coat", "open long coat"), 0.97, 0.32)
    shirt = np.where(people.wears("upper", "untucked", "hooded"), 0.22, 0.0)
    over = np.where(people.wears("coat"), tails, shirt)
    return np.where(over >= reach, M["top"], M["skirt"]), np.maximum(over, reach)


def _cover_of_shin(people: People, cloth: np.ndarray) -> Inset:
    """A long skirt down to its hem, or socks from their top, or nothing but `cloth` [N]."""
    skirt = people.wears("skirt", "long") | people.wears("dress", "long")
    socks = people.wears("socks")
    top = np.where(people.wears("socks", "knee"), 0.14, 0.70)
    material = np.where(skirt, M["skirt"], np.where(socks, M["socks"], cloth))
    return Inset(material, low=np.where(skirt, -9.0, top), high=np.where(skirt, 0.55, 9.0))


def _add_shoe(solids: SolidList, people: People, s: Skeleton, place: int, slim: np.ndarray) -> None:
    """A foot with a sole, a heel around the ankle, and a boot's shaft on bare legs and half of the `slim` trousers."""
    k, knee, ankle, toe = s.size, s.knee[place], s.ankle[place], s.toe[place]
    boots, trousers = people.wears("shoes", "boots"), people.wears("pants") | people.wears("jumpsuit")
    shaft = boots & (~trousers | people.wears("pants", "shorts") | (slim & (people.texture_seed % 2 == 0)))
    down = cross(np.stack([toe[2], np.zeros_like(k), -toe[0]]), toe)
    shoe, sole = M[f"{LEFT_RIGHT[place]} shoe"], M[f"{LEFT_RIGHT[place]} sole"]
    bulk = np.where(boots, 1.06, 1.0) * k
    middle = ankle + 0.048 * k * toe + 0.040 * k * down
    under = Inset(sole, front=0.017 * k)
    solids.ellipsoid(middle, 0.142 * k * toe, 0.047 * bulk, shoe, down, depth=0.86, inset=under)
    heel = Inset(sole, low=0.80)
    solids.ellipsoid(
        ankle + 0.026 * k * down, 0.052 * k * down, 0.041 * bulk, shoe, toe, depth=1.2, inset=heel
    )
    top = ankle + 0.52 * (knee - ankle)
    solids.add(ankle, top, (0.044 * k, 0.054 * k, 0.064 * s.girth), shoe, toe, depth=1.06, on=shaft)
