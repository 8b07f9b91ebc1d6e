"""How a person is seen: direction, pose, place in the picture and light, as arrays over N views."""

from dataclasses import dataclass, fields

import numpy as np

ARMS = ("swinging", "looking at a phone", "calling", "in the pocket", "carrying")
_ARM_WEIGHTS = np.array([0.72, 0.80, 0.86, 1.0])  # cumulative; carrying follows from a handbag
DRAWS = 16  # uniform numbers per view


@dataclass(frozen=True)
class Views:
    """N views; every array is [N] and belongs to the view alone, never to its place in a batch.

    person: index into People. yaw: degrees, 0 faces the camera, 90 looks to the image's right (the person turns to its
    own left). pitch: degrees by which the camera looks down. phase: radians of the gait. stride: 0 stands, 1 walks fast.
    left_arm, right_arm: index into ARMS. head_yaw: degrees, positive to the person's left. scale: height of a 1.75 m
    person as a share of the image height. foot_x, foot_y: where the feet stand, as shares of width and height.
    light_azimuth: degrees, 0 from the camera, positive from the image's right. light_elevation: degrees. light_share: 0
    overcast to 1 hard sun. seed: int64, for whatever else is drawn for this picture alone.
    """

    person: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    phase: np.ndarray
    stride: np.ndarray
    left_arm: np.ndarray
    right_arm: np.ndarray
    head_yaw: np.ndarray
    scale: np.ndarray
    foot_x: np.ndarray
    foot_y: np.ndarray
    light_azimuth: np.ndarray
    light_elevation: np.ndarray
    light_share: np.ndarray
    seed: np.ndarray

    def __len__(self) -> int:
        return len(self.yaw)

    def select(self, index: np.ndarray | slice) -> "Views":
        """The views of `index`, in its order."""
        return Views(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def draw_views(person: np.ndarray, generator: np.random.Generator) -> Views:
    """One view of each person of `person` [N], from any side; `dataclasses.replace` sets what a camera decides."""
    return views_of(person, generator.random((len(person), DRAWS)))


def views_of(person: np.ndarray, uniform: np.ndarray) -> Views:
    """Views of `person` [N] made from uniform numbers [N, DRAWS] alone, so that a view is the same in any batch."""
    u = uniform.T
    walking = u[1] < 0.75
    left_arm, right_arm = np.searchsorted(_ARM_WEIGHTS, u[5:7], side="right").astype(np.uint8)
    right_arm = np.where((left_arm > 0) & (right_arm < 3), 0, right_arm).astype(
        np.uint8
    )  # one phone at a time
    return Views(
        person=np.asarray(person, np.int64),
        yaw=360.0 * u[0],
        pitch=4.0 + 16.0 * u[2],
        phase=2.0 * np.pi * u[3],
        stride=np.where(walking, 0.45 + 0.55 * u[4], 0.12 * u[4]),
        left_arm=left_arm,
        right_arm=right_arm,
        head_yaw=50.0 * (u[7] - 0.5) + 30.0 * (u[8] - 0.5),
        scale=0.78 + 0.12 * u[9],
        foot_x=0.5 + 0.10 * (u[10] - 0.5),
        foot_y=0.93 + 0.04 * u[11],
        light_azimuth=360.0 * u[12] - 180.0,
        light_elevation=35.0 + 40.0 * u[13],
        light_share=0.25 + 0.5 * u[14],
        seed=(u[15] * 2.0**53).astype(np.int64),
    )
