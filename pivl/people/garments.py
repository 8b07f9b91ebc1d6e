"""Clothes on the trunk, skirts and coats as single flared solids, hats, glasses, scarves and bags."""

import numpy as np

from pivl.people.materials import M
from pivl.people.skeleton import SIDES, Skeleton, vector
from pivl.people.solids import SolidList
from pivl.people.wardrobe import People


def add_trunk(solids: SolidList, people: People, s: Skeleton) -> None:
    """Pelvis, belly, chest, bust, shoulders and neck slope; an open coat shows the inner garment in a strip in front."""
    k, g, torso, pelvis = s.size, s.girth, s.torso, s.pelvis
    figure, build = people.figure.astype(np.float64), people.build.astype(np.float64)
    coat = people.wears("coat")
    opened = people.wears("coat", "open jacket", "open long coat")
    extra = np.where(coat, 0.014, np.where(people.wears("upper", "untucked", "hooded"), 0.005, 0.0)) * k
    strip = {
        "other": np.where(opened, M["inner"], M["top"]), "front_min": 0.02,
    }  # fmt: skip
    legs = people.wears("jumpsuit") | people.wears("pants")
    below = np.where(legs, M["lower"], M["skirt"])
    hips = (0.142 + 0.018 * figure) * g
    waist = (0.132 - 0.014 * figure + 0.016 * build) * g
    chest = (0.158 - 0.014 * figure) * g
    solids.ellipsoid(
        pelvis.at(0.0, -0.01 * k, -0.006 * k),
        0.125 * k * pelvis.up,
        hips,
        below,
        pelvis.forward,
        depth=0.66,
        v=(-0.12, 0.24),
    )
    belted = people.wears("pants") & people.wears("upper", "tucked")
    solids.add(
        pelvis.at(0.0, -0.02 * k, 0.0), torso.at(0.0, 0.14 * k, 0.004 * k), (hips, 0.5 * (hips + waist), waist), below, torso.forward,
        depth=0.66, other=np.where(belted, M["belt"], below), between=(0.60, 0.80), v=(-0.02, 0.16),
    )  # fmt: skip
    solids.add(
        torso.at(0.0, 0.085 * k, 0.004 * k), torso.at(0.0, 0.42 * k, 0.0), (waist + extra, chest + extra, 0.150 * g - 0.012 * figure * g + extra),
        M["top"], torso.forward, depth=0.63 + 0.06 * np.maximum(build, 0.0), side=(0.040 * k, 0.014 * k), v=(0.085, 0.335), repeats=8.0, logo=1.0, **strip,
    )  # fmt: skip
    bust = figure > 0.5
    solids.ellipsoid(
        torso.at(0.0, 0.310 * k, 0.052 * k), 0.074 * k * torso.up, 0.112 * g, M["top"], torso.forward, depth=0.56, on=bust,
        side=(0.045 * k, 0.0), v=(0.247, 0.136), repeats=6.0, logo=1.0, **strip,
    )  # fmt: skip
    wide = s.shoulder_width + 0.006 * k
    solids.ellipsoid(
        torso.at(0.0, 0.425 * k, -0.006 * k),
        wide * torso.left,
        0.075 * k + 0.8 * extra,
        M["top"],
        torso.up,
        depth=0.98,
        v=(0.43, 0.0),
        repeats=1.0,
    )
    solids.add(
        torso.at(0.0, 0.40 * k, -0.008 * k), torso.at(0.0, 0.535 * k, -0.010 * k), (0.150 * g + extra, 0.098 * k + extra, 0.052 * k + 0.4 * extra),
        M["top"], torso.forward, depth=0.60, side=(0.050 * k, -0.012 * k), v=(0.40, 0.135), repeats=8.0, **strip,
    )  # fmt: skip


def add_hems(solids: SolidList, people: People, s: Skeleton) -> None:
    """What hangs from the waist: a shirt's hem, a skirt or dress, and over them the tails of a coat, each one flared solid."""
    k, g, torso, pelvis = s.size, s.girth, s.torso, s.pelvis
    figure = people.figure.astype(np.float64)
    hips = (0.150 + 0.020 * figure) * g
    sway = 0.25 * (s.knee[0][2] + s.knee[1][2]) - 0.5 * pelvis.origin[2]
    waist = torso.at(0.0, 0.115 * k, 0.004 * k)
    deep = 0.72 + 0.30 * s.spread / k
    legs = s.hip_width + (0.084 + 0.006 * figure) * g + 0.012 * k  # how far the thighs reach to the side
    hem = people.wears("upper", "untucked", "hooded") & ~people.wears("coat")
    solids.add(
        torso.at(0.0, 0.13 * k, 0.004 * k), pelvis.at(0.0, -0.115 * k, -0.004 * k), ((0.134 - 0.012 * figure) * g + 0.014 * k, 0.5 * (0.142 * g + legs), np.maximum(hips, legs) + 0.006 * k),
        M["top"], torso.forward, depth=0.70 + 0.10 * s.spread / k, on=hem, v=(0.13, -0.245), repeats=8.0,
    )  # fmt: skip

    long = people.wears("skirt", "long") | people.wears("dress", "long")
    drop = np.where(long, 0.70, 0.37) * k
    bottom = pelvis.origin + vector(0.0, -drop, sway * drop / (0.40 * k))
    foot = np.where(long, 0.205, 0.200) * k + 0.030 * figure * k
    solids.add(
        waist, bottom, (0.135 * g, np.maximum(hips, legs) + 0.012 * k, foot), M["skirt"], torso.forward, depth=deep,
        on=people.wears("skirt") | people.wears("dress"), v=(0.115, -0.115 * k - drop), repeats=10.0,
    )  # fmt: skip

    tails = people.wears("coat", "long coat", "open long coat")
    drop = np.where(tails, 0.46, 0.17) * k
    bottom = pelvis.origin + vector(0.0, -drop, sway * drop / (0.40 * k))
    opened = people.wears("coat", "open jacket", "open long coat")
    inner = np.where(
        people.wears("jumpsuit") | people.wears("dress") | people.wears("upper", "untucked", "hooded"),
        M["inner"],
        M["lower"],
    )
    inner = np.where(people.wears("skirt"), M["skirt"], inner)
    inner = np.where(tails & ~(people.wears("dress") | people.wears("skirt")), M["lower"], inner)
    solids.add(
        torso.at(0.0, 0.12 * k, 0.004 * k), bottom, (0.152 * g, np.where(tails, legs + 0.030 * k, 0.5 * (0.156 * g + legs) + 0.016 * k), np.where(tails, 0.208 * k, legs + 0.018 * k) + 0.02 * figure * k),
        M["top"], torso.forward, depth=deep + 0.03, on=people.wears("coat"), v=(0.12, -0.12 * k - drop), repeats=10.0,
        other=np.where(opened, inner, M["top"]), front_min=0.03, side=(0.036 * k, 0.022 * k),
    )  # fmt: skip


def add_accessories(solids: SolidList, people: People, s: Skeleton) -> None:
    """Hood or collar, scarf, hat, sunglasses and bag."""
    k, torso, head = s.size, s.torso, s.head
    up, forward = torso.up, torso.forward
    coat, scarf = people.wears("coat"), people.wears("scarf")
    hood = people.wears("upper", "hooded") & ~coat
    solids.ellipsoid(
        torso.at(0.0, 0.485 * k, -0.058 * k),
        0.052 * k * up,
        0.112 * k,
        M["top"],
        forward,
        depth=0.62,
        on=hood,
        v=(0.40, 0.0),
    )
    opened = people.wears("coat", "open jacket", "open long coat")
    solids.add(
        torso.at(0.0, 0.47 * k, -0.012 * k), torso.at(0.0, 0.555 * k, -0.018 * k), (0.092 * k, 0.076 * k, 0.072 * k), M["top"], forward,
        depth=0.90, on=coat & ~scarf, v=(0.40, 0.0), other=np.where(opened, M["inner"], M["top"]), front_min=0.03, side=(0.035 * k, 0.01 * k),
    )  # fmt: skip
    solids.ellipsoid(
        torso.at(0.0, 0.522 * k, 0.0),
        0.046 * k * up,
        0.090 * k,
        M["scarf"],
        forward,
        depth=0.98,
        on=scarf,
        v=(0.47, 0.1),
        repeats=6.0,
    )
    lean = np.where(people.wears("coat"), 0.012, 0.0) * k
    solids.ellipsoid(
        torso.at(0.035 * k, 0.37 * k, 0.088 * k + lean), vector(0.0, 0.155 * k, 0.0) + 0.01 * k * forward, 0.043 * k, M["scarf"], forward,
        depth=0.62, on=scarf, v=(0.2, 0.32), repeats=2.0,
    )  # fmt: skip
    cap, beanie, brimmed = (
        people.wears("hat", "cap"),
        people.wears("hat", "beanie"),
        people.wears("hat", "brimmed hat"),
    )
    solids.ellipsoid(
        head.at(0.0, np.where(beanie, 0.058, 0.064) * k, -0.012 * k), np.where(beanie, 0.088, 0.078) * k * head.up,
        np.where(beanie, 0.091, 0.088) * k, M["hat"], head.forward, depth=1.14, on=people.wears("hat"),
    )  # fmt: skip
    reach = np.where(brimmed, 0.150, 0.068) * k
    solids.ellipsoid(
        head.at(0.0, 0.052 * k, np.where(brimmed, -0.005, 0.105) * k), 0.013 * k * head.up, reach, M["hat"], head.forward,
        depth=np.where(brimmed, 1.08, 1.0), on=cap | brimmed,
    )  # fmt: skip
    solids.ellipsoid(
        head.at(0.0, 0.014 * k, 0.070 * k),
        0.018 * k * head.up,
        0.066 * k,
        M["sunglasses"],
        head.forward,
        depth=0.44,
        on=people.wears("sunglasses"),
    )
    _add_bag(solids, people, s)


def _add_bag(solids: SolidList, people: People, s: Skeleton) -> None:
    """A backpack with two straps, a bag at the hip with a strap across, or a handbag hanging from the right hand."""
    k, torso = s.size, s.torso
    back, across, hand = (people.wears("bag", kind) for kind in ("backpack", "shoulder bag", "handbag"))
    thick = np.where(people.wears("coat"), 0.018, 0.004) * k
    solids.ellipsoid(
        torso.at(0.0, 0.265 * k, -0.165 * k - thick),
        0.205 * k * torso.up,
        0.150 * k,
        M["bag"],
        torso.forward,
        depth=0.66,
        on=back,
    )
    solids.ellipsoid(
        torso.at(0.0, 0.185 * k, -0.225 * k - thick),
        0.085 * k * torso.up,
        0.105 * k,
        M["bag"],
        torso.forward,
        depth=0.60,
        on=back,
    )
    for side in SIDES:
        solids.add(
            torso.at(side * 0.098 * k, 0.50 * k, 0.035 * k), torso.at(side * 0.112 * k, 0.20 * k, 0.082 * k + thick),
            (0.020 * k, 0.034 * k, 0.016 * k), M["strap"], torso.forward, on=back,
        )  # fmt: skip
    hip = torso.at(-0.185 * k - thick, -0.10 * k, 0.01 * k)
    solids.ellipsoid(hip, 0.105 * k * torso.up, 0.048 * k, M["bag"], torso.forward, depth=2.7, on=across)
    tilt = (
        0.90 * torso.left - 0.44 * torso.up
    )  # the strap is a thin tilted ring from the left shoulder to the right hip
    middle = torso.at(-0.03 * k, 0.245 * k, 0.0)
    solids.add(
        middle - 0.019 * k * tilt, middle + 0.019 * k * tilt, (0.322 * k, 0.322 * k, 0.322 * k), M["strap"], torso.forward,
        depth=(0.113 * s.girth + thick) / (0.322 * k), on=across,
    )  # fmt: skip
    below = s.finger[1] - vector(0.0, 0.15 * k, 0.0)
    solids.ellipsoid(
        below, vector(0.0, 0.125 * k, 0.0), 0.050 * k, M["bag"], torso.forward, depth=3.0, on=hand
    )
