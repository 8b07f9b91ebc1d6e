"""The skeleton of each view: frames of pelvis, torso and head and the joints of the limbs, from body shape and gait.

Body coordinates are metres with x to the person's left, y up and z forward; vectors are float64 [3, N]. Index 0 of a
pair of limbs is the person's left (sign +1), index 1 its right.
"""

from dataclasses import dataclass

import numpy as np

from pivl.synthped.person.views import ARMS, Views
from pivl.synthped.person.wardrobe import People

SIDES = (1.0, -1.0)


def vector(x: float | np.ndarray, y: float | np.ndarray, z: float | np.ndarray) -> np.ndarray:
    """A [3, N] vector from its coordinates, numbers or [N]."""
    return np.stack(np.broadcast_arrays(x, y, z)).astype(np.float64)


def unit(v: np.ndarray) -> np.ndarray:
    """`v` [3, ...] at length 1."""
    return v / np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cross product of vectors [3, ...], element by element, so that no BLAS decides a bit."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@dataclass(frozen=True)
class Frame:
    """A rigid piece of the body: its origin and its axes, each [3, N]."""

    origin: np.ndarray
    left: np.ndarray
    up: np.ndarray
    forward: np.ndarray

    def at(self, x: float | np.ndarray, y: float | np.ndarray, z: float | np.ndarray) -> np.ndarray:
        """The point x to the left, y up and z forward of the origin, [3, N]."""
        return self.origin + x * self.left + y * self.up + z * self.forward


@dataclass(frozen=True)
class Skeleton:
    """Frames and joints of N views; `size` [N] scales the lengths of a 1.75 m body, `girth` [N] its thickness."""

    size: np.ndarray
    girth: np.ndarray
    shoulder_width: np.ndarray
    hip_width: np.ndarray
    spread: np.ndarray
    pelvis: Frame
    torso: Frame
    head: Frame
    shoulder: list[np.ndarray]
    elbow: list[np.ndarray]
    wrist: list[np.ndarray]
    finger: list[np.ndarray]
    hip: list[np.ndarray]
    knee: list[np.ndarray]
    ankle: list[np.ndarray]
    toe: list[np.ndarray]  # direction of the foot
    shin: list[np.ndarray]  # direction of the shin, downwards


def pose(people: People, views: Views) -> Skeleton:
    """The skeletons of `views`, `people` being already one row per view."""
    size = people.height.astype(np.float64) / 1.75
    girth = size * (1.0 + 0.13 * people.build)
    figure = people.figure.astype(np.float64)
    shoulder_width = size * (0.178 - 0.024 * figure + 0.012 * people.build)
    hip_width = size * (0.088 + 0.012 * figure + 0.006 * people.build)
    hobble = (
        people.wears("skirt") | people.wears("dress") | people.wears("coat", "long coat", "open long coat")
    )
    swing = views.stride * np.where(hobble, 0.30, 0.46)
    beat = np.sin(views.phase)

    level = np.zeros_like(size)
    pelvis = _frame(
        vector(level, 0.93 * size, level), 0.10 * swing * beat, 0.02 * np.cos(views.phase) * swing, level
    )
    torso = _frame(pelvis.origin, -0.14 * swing * beat, level, 0.03 + 0.10 * swing)
    head_yaw = np.clip(np.radians(views.head_yaw), -0.9, 0.9)
    head = _frame(torso.at(0.0, 0.675 * size, 0.018 * size), head_yaw, level, 0.06 + 0.05 * swing)

    limbs: dict[str, list[np.ndarray]] = {
        name: [] for name in ("shoulder", "elbow", "wrist", "finger", "hip", "knee", "ankle", "toe", "shin")
    }
    for side, arm, turn in zip(SIDES, (views.left_arm, views.right_arm), (0.0, np.pi), strict=True):
        hip, knee, ankle, toe, shin = _leg(pelvis, side, hip_width, size, swing, views.phase + turn)
        if side < 0:
            arm = np.where(people.wears("bag", "handbag"), ARMS.index("carrying"), arm)
        shoulder, elbow, wrist, finger = _arm(torso, side, shoulder_width, size, swing, views, turn, arm)
        joints = (shoulder, elbow, wrist, finger, hip, knee, ankle, toe, shin)
        for name, joint in zip(limbs, joints, strict=True):
            limbs[name].append(joint)
    spread = np.abs(limbs["knee"][0][2] - limbs["knee"][1][2])
    return Skeleton(size, girth, shoulder_width, hip_width, spread, pelvis, torso, head, **limbs)


def lowest(skeleton: Skeleton) -> np.ndarray:
    """The height [N] of the lowest point of the soles, by which the body is lifted so that it stands."""
    heights = []
    for ankle, toe in zip(skeleton.ankle, skeleton.toe, strict=True):
        heights += [ankle[1] - 0.075 * skeleton.size, ankle[1] + (0.15 * toe[1] - 0.06) * skeleton.size]
    return np.minimum.reduce(heights)


def _frame(origin: np.ndarray, yaw: np.ndarray, roll: np.ndarray, lean: np.ndarray) -> Frame:
    """A frame turned by yaw to the left, rolled sideways and leaning forward, angles in radians [N]."""
    up = unit(vector(roll, np.ones_like(yaw), lean))
    forward = vector(np.sin(yaw), np.zeros_like(yaw), np.cos(yaw))
    forward = unit(forward - (forward * up).sum(0) * up)
    return Frame(origin, cross(up, forward), up, forward)


def _leg(
    pelvis: Frame, side: float, hip_width: np.ndarray, size: np.ndarray, swing: np.ndarray, phase: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Hip, knee, ankle, foot direction and shin direction; the knee bends while the leg swings forward."""
    forward = swing * np.sin(phase)
    bend = 0.04 + swing * (0.25 + 1.25 * np.maximum(0.0, np.cos(phase)) ** 2)
    hip = pelvis.at(side * hip_width, -0.01 * size, 0.0)
    thigh = unit(vector(side * 0.035 - 0.06 * side * swing, -np.cos(forward), np.sin(forward)))
    knee = hip + 0.425 * size * thigh
    angle = forward - bend
    shin = unit(vector(side * 0.01, -np.cos(angle), np.sin(angle)))
    ankle = knee + 0.415 * size * shin
    tilt = np.where(angle < 0, np.maximum(0.85 * (angle + 0.12), -0.9) * (angle < -0.12), 0.5 * angle)
    toe = unit(vector(side * 0.16, np.sin(tilt), np.cos(tilt)))
    return hip, knee, ankle, toe, shin


def _arm(
    torso: Frame,
    side: float,
    width: np.ndarray,
    size: np.ndarray,
    swing: np.ndarray,
    views: Views,
    turn: float,
    arm: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Shoulder, elbow, wrist and fingertip of the arm pose `arm` (an index into ARMS)."""
    free = -0.85 * swing * np.sin(views.phase + turn)
    raised = np.choose(arm, [free + 0.02, 0.40, 0.55, -0.30, 0.25 * free])
    bend = np.choose(arm, [0.16 + 0.6 * swing, 1.75, 2.35, 0.62, 0.06])
    out = np.choose(arm, [0.11, 0.10, 0.40, 0.26, 0.14])
    inward = np.choose(arm, [0.02, 0.42, 0.05, 0.24, -0.02])
    shoulder = torso.at(side * width, 0.438 * size, -0.01 * size)
    upper = unit(vector(side * np.sin(out), -np.cos(raised), np.sin(raised)))
    total = raised + bend
    fore = unit(vector(side * (0.35 * np.sin(out) - inward), -np.cos(total), np.sin(total)))
    in_torso = Frame(np.zeros_like(shoulder), torso.left, torso.up, torso.forward)
    upper, fore = in_torso.at(*upper), in_torso.at(*fore)
    elbow = shoulder + 0.285 * size * upper
    wrist = elbow + 0.245 * size * fore
    return shoulder, elbow, wrist, wrist + 0.165 * size * fore
