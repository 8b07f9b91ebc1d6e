"""The body under and in its clothes: head, trunk, arms and legs as solids, hung on the skeleton."""

import numpy as np

from pivl.people.materials import M
from pivl.people.skeleton import SIDES, Skeleton, cross, vector
from pivl.people.solids import SolidList
from pivl.people.wardrobe import People

LEFT_RIGHT = ("left", "right")


def add_head(solids: SolidList, people: People, s: Skeleton) -> None:
    """Skull, jaw, nose, eyes, lips and neck; hair is a shell set up and back, so that the skull in front of it is the face."""
    k, head, torso = s.size, s.head, s.torso
    up, forward, left = head.up, head.forward, head.left

    def ball(
        x: float,
        y: float,
        z: float,
        half: float,
        wide: object,
        deep: object,
        material: object,
        **more: object,
    ) -> None:
        solids.ellipsoid(
            head.at(x * k, y * k, z * k),
            half * k * up,
            wide * k,
            material,
            forward,
            depth=np.asarray(deep) / wide,
            **more,
        )

    neck = 0.050 + 0.006 * people.build - 0.006 * people.figure
    solids.add(
        torso.at(0.0, 0.45 * k, -0.012 * k), head.at(0.0, -0.05 * k, -0.015 * k), (neck * k * 1.12, neck * k, neck * k),
        M["nape"], torso.forward, other=M["face"], front_min=-0.004,
    )  # fmt: skip
    ball(0.0, 0.0, 0.0, 0.112, 0.072, 0.090, M["face"])
    ball(0.0, -0.058, 0.022, 0.062, 0.054, 0.066, M["face"])
    ball(0.0, -0.022, 0.090, 0.026, 0.012, 0.018, M["face"])
    for side in SIDES:
        ball(side * 0.030, 0.012, 0.077, 0.009, 0.015, 0.013, M["eye"], on=~people.wears("sunglasses"))
        ball(
            side * 0.072,
            -0.012,
            -0.005,
            0.030,
            0.012,
            0.018,
            M["face"],
            on=people.wears("hair", "short", "tied"),
        )
    ball(0.0, -0.070, 0.078, 0.008, 0.022, 0.012, M["lips"])
    _add_hair(solids, people, s, ball)


def _add_hair(solids: SolidList, people: People, s: Skeleton, ball: object) -> None:
    """A shell on the skull, and behind it what falls, curls or is tied."""
    k, head = s.size, s.head
    curly, covered = people.wears("hair", "curly"), people.wears("hat")
    puff = np.where(curly & ~covered, 0.026, 0.0)
    ball(
        0.0,
        np.where(covered, 0.006, 0.024 + 0.3 * puff),
        -0.020,
        0.113 + 0.6 * puff,
        0.080 + puff,
        0.094 + puff,
        M["hair"],
    )  # type: ignore[operator]
    bob, long = people.wears("hair", "bobbed", "curly"), people.wears("hair", "long")
    ball(
        0.0,
        np.where(curly, 0.0, -0.030),
        np.where(curly, -0.045, -0.034),
        0.105,
        np.where(curly, 0.096, 0.088),
        0.080,
        M["hair"],
        on=bob,
    )  # type: ignore[operator]
    solids.add(
        head.at(0.0, 0.10 * k, -0.03 * k), head.at(0.0, -0.36 * k, -0.085 * k), (0.04 * k, 0.093 * k, 0.050 * k),
        M["hair"], head.forward, depth=0.66, on=long, v=(0.0, 0.4),
    )  # fmt: skip
    solids.ellipsoid(
        head.at(0.0, -0.33 * k, -0.08 * k),
        0.06 * k * head.up,
        0.058 * k,
        M["hair"],
        head.forward,
        depth=0.66,
        on=long,
    )
    tied, high = people.wears("hair", "tied"), people.texture_seed % 2 == 0
    bun = np.where(high, 0.055, -0.02)
    solids.ellipsoid(
        head.at(0.0, bun * k, -0.118 * k), 0.046 * k * head.up, 0.044 * k, M["hair"], head.forward, on=tied
    )
    solids.ellipsoid(
        head.at(0.0, (bun - 0.10) * k, -0.135 * k),
        vector(0.0, 0.11 * k, 0.01 * k),
        0.032 * k,
        M["hair"],
        head.forward,
        on=tied & ~high,
    )


def add_arms(solids: SolidList, people: People, s: Skeleton) -> None:
    """Arms in skin or sleeves, hands in skin or gloves; a short sleeve is a wider tube over the bare upper arm."""
    k, g = s.size, s.girth
    bare, coat = people.bare_arms(), people.wears("coat")
    ease = np.where(bare, 0.0, np.where(coat, 0.017, 0.009)) * k
    slim = 1.0 - 0.10 * people.figure
    for place, name in enumerate(LEFT_RIGHT):
        skin = M[f"{name} arm"]
        sleeve = np.where(bare, skin, M["top"])
        hand = np.where(people.wears("gloves"), M[f"{name} glove"], skin)
        shoulder, elbow, wrist, finger = s.shoulder[place], s.elbow[place], s.wrist[place], s.finger[place]
        forward = s.torso.forward
        r = slim * g
        deltoid = 0.047 * r + np.where(bare, 0.010 * k, 0.9 * ease)
        solids.ellipsoid(
            shoulder + vector(-0.008 * k * SIDES[place], -0.022 * k, 0.0),
            vector(0.0, 0.062 * k, 0.0),
            deltoid,
            M["top"],
            forward,
            repeats=3.0,
            v=(0.40, 0.13),
        )
        solids.add(
            shoulder,
            elbow,
            (0.044 * r + ease, 0.042 * r + ease, 0.035 * r + ease),
            sleeve,
            forward,
            v=(0.45, -0.28),
            repeats=3.0,
        )
        solids.ellipsoid(
            elbow,
            0.040 * (elbow - shoulder) / 0.285,
            0.036 * r + ease,
            sleeve,
            forward,
            v=(0.19, -0.04),
            repeats=3.0,
        )
        solids.add(
            elbow,
            wrist,
            (0.036 * r + ease, 0.035 * r + ease, 0.024 * r + 1.15 * ease),
            sleeve,
            forward,
            v=(0.17, -0.25),
            repeats=3.0,
        )
        open_end = elbow - 0.36 * (elbow - shoulder)
        solids.add(
            shoulder + 0.02 * (shoulder - elbow),
            open_end,
            (0.056 * r, 0.055 * r, 0.057 * r),
            M["top"],
            forward,
            on=bare,
            v=(0.45, -0.18),
            repeats=3.0,
        )
        palm, reach = 0.5 * (wrist + finger), 0.5 * (finger - wrist)
        across = s.torso.left
        solids.ellipsoid(palm - 0.1 * reach, reach, 0.036 * k, hand, across, depth=0.60)
        solids.ellipsoid(palm + 0.020 * k * forward - 0.15 * reach, 0.52 * reach, 0.014 * k, hand, across)


def add_legs(solids: SolidList, people: People, s: Skeleton) -> None:
    """Legs in trousers or skin with socks, shoes or boots with soles; shorts are wider tubes over bare thighs."""
    k, g = s.size, s.girth
    shorts = people.wears("pants", "shorts")
    long = people.wears("jumpsuit") | (people.wears("pants") & ~shorts)
    wide, boots, socks = (
        people.wears("pants", "wide trousers"),
        people.wears("shoes", "boots"),
        people.wears("socks"),
    )
    tucked = boots & long & ~wide & (people.texture_seed % 2 == 0)
    knee_high = people.wears("socks", "knee")
    thick = np.where(long, 0.011, 0.0) * k
    flare = np.where(long, np.where(wide, 0.046, 0.018), 0.0) * k
    full = 1.0 + 0.06 * people.figure
    cloak, hem = _cover_of_thighs(people)
    skirted = (people.wears("skirt", "long") | people.wears("dress", "long")) & ~long
    seat = (long | shorts) & ~people.wears("coat") & ~people.wears("upper", "untucked", "hooded")
    for place, name in enumerate(LEFT_RIGHT):
        hip, knee, ankle, toe = s.hip[place], s.knee[place], s.ankle[place], s.toe[place]
        cloth = np.where(long, M["lower"], M[f"{name} leg"])
        r = full * g
        forward = s.pelvis.forward
        solids.add(
            hip,
            knee,
            (0.083 * r + thick, 0.074 * r + thick, 0.052 * r + thick),
            cloth,
            forward,
            v=(0.0, -0.43),
            depth=1.02,
            other=cloak,
            between=(-9.0, hem),
        )
        solids.ellipsoid(
            knee,
            0.06 * (knee - hip) / 0.43,
            0.0535 * r + thick,
            cloth,
            forward,
            v=(-0.40, -0.06),
            other=cloak,
            between=(-9.0, np.where(hem > 0.96, 9.0, -9.0)),
        )
        sock_from = np.where(socks, np.where(knee_high, 0.14, 0.70), 9.0)
        solids.add(
            knee, ankle + 0.03 * k * s.shin[place] * np.where(wide, 1.0, 0.2),
            (0.053 * r + thick, 0.052 * r + 0.7 * thick + 0.5 * flare, 0.033 * r + flare), cloth, forward,
            v=(-0.43, -0.42), other=np.where(skirted, M["skirt"], np.where(socks, M["socks"], cloth)), between=(np.where(skirted, -9.0, sock_from), np.where(skirted, 0.55, 9.0)),
        )  # fmt: skip
        solids.add(
            hip,
            knee - 0.10 * (knee - hip),
            (0.094 * r, 0.093 * r, 0.082 * r + 0.012 * k),
            M["lower"],
            forward,
            on=shorts,
            v=(0.0, -0.38),
            other=cloak,
            between=(-9.0, hem * 1.11),
        )
        solids.ellipsoid(
            hip + s.pelvis.at(0.0, -0.035 * k, -0.030 * k) - s.pelvis.origin,
            0.100 * k * s.pelvis.up,
            0.082 * r + 0.6 * thick,
            M["lower"],
            forward,
            on=seat,
        )
        _add_shoe(solids, name, knee, ankle, toe, s, boots, tucked | (boots & ~long))


def _cover_of_thighs(people: People) -> tuple[np.ndarray, np.ndarray]:
    """The material that covers the thighs and the share of their length that it covers, so that no sliver of leg pokes through."""
    skirt = people.wears("skirt") | people.wears("dress")
    reach = np.where(
        skirt, np.where(people.wears("skirt", "long") | people.wears("dress", "long"), 9.0, 0.80), 0.0
    )
    shirt = people.wears("upper", "untucked", "hooded")
    over = np.where(
        people.wears("coat"),
        np.where(people.wears("coat", "long coat", "open long coat"), 0.97, 0.32),
        np.where(shirt, 0.18, 0.0),
    )
    return np.where(over >= reach, M["top"], M["skirt"]), np.maximum(over, reach)


def _add_shoe(
    solids: SolidList,
    name: str,
    knee: np.ndarray,
    ankle: np.ndarray,
    toe: np.ndarray,
    s: Skeleton,
    boots: np.ndarray,
    shaft: np.ndarray,
) -> None:
    """A foot along `toe` with a sole under it, a heel around the ankle, and the shaft of a boot where it shows."""
    k = s.size
    left = np.stack([toe[2], np.zeros_like(k), -toe[0]])
    down = cross(left, toe)
    shoe, sole = M[f"{name} shoe"], M[f"{name} sole"]
    middle = ankle + 0.048 * k * toe + 0.040 * k * down
    bulk = np.where(boots, 1.06, 1.0) * k
    solids.ellipsoid(
        middle, 0.142 * k * toe, 0.047 * bulk, shoe, down, depth=0.86, other=sole, front_min=0.017 * k
    )
    solids.ellipsoid(
        ankle + 0.026 * k * down,
        0.052 * k * down,
        0.041 * bulk,
        shoe,
        toe,
        depth=1.2,
        other=sole,
        between=(0.80, 9.0),
    )
    top = ankle + 0.52 * (knee - ankle)
    solids.add(ankle, top, (0.044 * k, 0.054 * k, 0.064 * s.girth), shoe, toe, depth=1.06, on=shaft)
