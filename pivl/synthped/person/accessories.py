"""What is worn over the clothes as solids: hood, collar, scarf and bags."""

import numpy as np

from pivl.synthped.person.materials import M
from pivl.synthped.person.skeleton import SIDES, Skeleton, vector
from pivl.synthped.person.solids import Cloth, Inset, SolidList
from pivl.synthped.person.wardrobe import People


def add_accessories(solids: SolidList, people: People, s: Skeleton) -> None:
    """A hood on the back, the collar of a coat, a scarf with one end hanging, and a bag."""
    k, torso, up, forward = s.size, s.torso, s.torso.up, s.torso.forward
    coat, scarf = people.wears("coat"), people.wears("scarf")
    hood, center = people.wears("upper", "hooded") & ~coat, torso.at(0.0, 0.475 * k, -0.058 * k)
    solids.ellipsoid(
        center, 0.052 * k * up, 0.112 * k, M["top"], forward, depth=0.62, on=hood, cloth=Cloth(0.40, 0.0)
    )
    opened = people.wears("coat", "open jacket", "open long coat")
    inset = Inset(np.where(opened, M["inner"], M["top"]), front=0.03, side=0.035 * k, taper=0.01 * k)
    low, high, radii = (
        torso.at(0.0, 0.46 * k, -0.012 * k),
        torso.at(0.0, 0.55 * k, -0.018 * k),
        (0.096 * k, 0.078 * k, 0.072 * k),
    )
    on, cloth = coat & ~scarf, Cloth(0.40, 0.0)
    solids.add(low, high, radii, M["top"], forward, depth=0.90, on=on, inset=inset, cloth=cloth)
    around, cloth = torso.at(0.0, 0.515 * k, 0.0), Cloth(0.47, 0.1, 6.0)
    solids.ellipsoid(
        around, 0.046 * k * up, 0.090 * k, M["scarf"], forward, depth=0.98, on=scarf, cloth=cloth
    )
    thick = np.where(coat, 0.012, 0.0) * k
    end, half, cloth = (
        torso.at(0.035 * k, 0.37 * k, 0.088 * k + thick),
        0.155 * k * up + 0.01 * k * forward,
        Cloth(0.2, 0.32, 2.0),
    )
    solids.ellipsoid(end, half, 0.043 * k, M["scarf"], forward, depth=0.62, on=scarf, cloth=cloth)
    _add_backpack(solids, people, s, 1.5 * thick)
    _add_shoulder_bag(solids, people, s, 1.5 * thick)
    _add_handbag(solids, people, s)


def _add_backpack(solids: SolidList, people: People, s: Skeleton, thick: np.ndarray) -> None:
    """A barrel with a lid and a pocket on the back, and two straps in front."""
    k, torso, up, forward = s.size, s.torso, s.torso.up, s.torso.forward
    on, bag = people.wears("bag", "backpack"), M["bag"]
    low, high = torso.at(0.0, 0.075 * k, -0.155 * k - thick), torso.at(0.0, 0.40 * k, -0.150 * k - thick)
    solids.add(low, high, (0.132 * k, 0.148 * k, 0.118 * k), bag, forward, depth=0.64, on=on)
    solids.ellipsoid(high, 0.055 * k * up, 0.119 * k, bag, forward, depth=0.65, on=on)
    pocket = torso.at(0.0, 0.185 * k, -0.225 * k - thick)
    solids.ellipsoid(pocket, 0.085 * k * up, 0.100 * k, M["strap"], forward, depth=0.50, on=on)
    for side in SIDES:
        top, bottom = (
            torso.at(side * 0.098 * k, 0.49 * k, 0.030 * k),
            torso.at(side * 0.112 * k, 0.19 * k, 0.080 * k + thick),
        )
        solids.add(top, bottom, (0.020 * k, 0.034 * k, 0.016 * k), M["strap"], forward, on=on)


def _add_shoulder_bag(solids: SolidList, people: People, s: Skeleton, thick: np.ndarray) -> None:
    """A bag at the right hip; its strap is a thin tilted ring around the trunk, from the left shoulder to the hip."""
    k, torso, up, forward = s.size, s.torso, s.torso.up, s.torso.forward
    on, bag = people.wears("bag", "shoulder bag"), M["bag"]
    low, high = (
        torso.at(-0.190 * k - thick, -0.19 * k, 0.01 * k),
        torso.at(-0.180 * k - thick, -0.03 * k, 0.01 * k),
    )
    solids.add(low, high, (0.044 * k, 0.050 * k, 0.036 * k), bag, forward, depth=2.7, on=on)
    solids.ellipsoid(high, 0.022 * k * up, 0.037 * k, M["strap"], forward, depth=2.7, on=on)
    tilt, middle = 0.90 * torso.left - 0.44 * up, torso.at(-0.03 * k, 0.235 * k, 0.0)
    ring = 0.316 * k
    flat = (0.113 * s.girth + thick) / ring
    side = 0.019 * k * tilt
    solids.add(middle - side, middle + side, (ring, ring, ring), M["strap"], forward, depth=flat, on=on)


def _add_handbag(solids: SolidList, people: People, s: Skeleton) -> None:
    """A bag on two short handles in the right hand."""
    k, forward, on, bag = s.size, s.torso.forward, people.wears("bag", "handbag"), M["bag"]
    grip = s.finger[1] + vector(0.0, 0.05 * k, 0.0)
    low, high = grip - vector(0.0, 0.32 * k, 0.0), grip - vector(0.0, 0.12 * k, 0.0)
    solids.add(low, high, (0.050 * k, 0.048 * k, 0.030 * k), bag, forward, depth=3.0, on=on)
    solids.ellipsoid(high, vector(0.0, 0.018 * k, 0.0), 0.031 * k, bag, forward, depth=3.0, on=on)
    for end in SIDES:
        corner = high + end * 0.055 * k * forward
        solids.add(corner, grip, (0.006 * k, 0.006 * k, 0.006 * k), M["strap"], forward, on=on)
