"""The cameras of the embedded benchmark: where each stands, what it does to a picture, and how much they differ."""

from dataclasses import dataclass, fields
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

LEVELS = 1024  # brightness steps of the tone curve before it becomes 8 bits


@dataclass(frozen=True)
class Cameras:
    """C cameras, one entry of each array per camera.

    place: seed of the street behind (int64). Angles in degrees: yaw is the direction in which people mostly walk (0 =
    towards the camera), from which they turn up to yaw_spread either way; pitch how far the camera looks down; light the
    azimuth of the light. scale: a person's height as a share of the picture's; horizon: the row, as a share, where wall
    meets ground. cast [C, 3]: gain per channel; gamma, contrast, saturation: exponents and factors, 1 = neutral; blur:
    Gaussian deviation in pixels of a picture 128 high; noise: deviation of the sensor noise, 1 = white; quality: of JPEG.
    """

    place: np.ndarray
    yaw: np.ndarray
    yaw_spread: np.ndarray
    pitch: np.ndarray
    light: np.ndarray
    scale: np.ndarray
    horizon: np.ndarray
    cast: np.ndarray
    gamma: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    quality: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def select(self, index: np.ndarray) -> "Cameras":
        """The cameras of `index` (integers [N]), in its order; repeats are allowed."""
        return Cameras(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def draw_cameras(count: int, generator: Generator, severity: float = 0.4, yaw_spread: float = 0.4) -> Cameras:
    """`count` cameras looking from all sides.

    severity: 0 makes all cameras render colours alike, 1 is the worst mix of cheap cameras; it scales colour cast, tone,
    blur, noise and compression together. yaw_spread: 1 lets people turn up to 90 degrees either way within one camera.
    """
    uniform = generator.random((count, 11))
    sides = (generator.permutation(count) + uniform[:, 0]) / count
    warm, green = uniform[:, 1] - 0.5, 0.6 * (uniform[:, 2] - 0.5)
    worse = severity * uniform[:, 3:6]
    sign = 2 * uniform[:, 6:9] - 1
    return Cameras(
        place=generator.integers(0, 2**62, count),
        yaw=360 * sides,
        yaw_spread=np.full(count, 90 * yaw_spread),
        pitch=5 + 17 * uniform[:, 9],
        light=360 * generator.random(count),
        scale=0.81 + 0.06 * uniform[:, 10],
        horizon=0.56 + 0.16 * generator.random(count),
        cast=np.exp(0.5 * severity * np.stack([warm, green, -warm], axis=1)),
        gamma=np.exp(0.5 * severity * sign[:, 0]),
        contrast=1 + 0.4 * severity * sign[:, 1],
        saturation=1 - 0.25 * severity + 0.45 * severity * sign[:, 2],
        blur=0.25 + 0.9 * worse[:, 0],
        noise=0.006 + 0.035 * worse[:, 1],
        quality=(93 - 55 * worse[:, 2]).astype(np.int64),
    )


def develop(
    image: np.ndarray, cameras: Cameras, camera: int, draws: np.ndarray, generator: Generator
) -> np.ndarray:
    """uint8 [H, W, 3]: what camera number `camera` makes of the scene `image` (float32 [H, W, 3] in 0..1).

    In the order of a real one: lens blur, sensor noise (from `generator`), colour, tone curve, JPEG. `draws`: two uniform
    numbers for this picture's exposure and warmth.
    """
    soft = Image.fromarray(_eight_bits(image)).filter(
        ImageFilter.GaussianBlur(float(cameras.blur[camera]) * image.shape[0] / 128)
    )
    light = generator.standard_normal(image.shape, dtype=np.float32)
    light *= np.float32(cameras.noise[camera] * 255)
    light += np.asarray(soft)
    grey = (light[..., 0] + light[..., 1] + light[..., 2]) * np.float32(1 / 3)
    light -= grey[..., None]
    light *= np.float32(cameras.saturation[camera])
    light += grey[..., None]
    light *= np.float32((LEVELS - 1) / 255)
    levels = np.clip(light, 0, LEVELS - 1, out=light).astype(np.int32)
    levels += np.arange(3, dtype=np.int32) * LEVELS
    return _compress(_tone_curves(cameras, camera, draws).take(levels), int(cameras.quality[camera]))


def _tone_curves(cameras: Cameras, camera: int, draws: np.ndarray) -> np.ndarray:
    """uint8 [3 * LEVELS]: the tone curve of each channel, one after the other."""
    warmth = 0.03 * (2 * draws[1] - 1)
    gain = cameras.cast[camera] * (0.9 + 0.2 * draws[0]) * np.array([1 + warmth, 1, 1 - warmth])
    value = np.clip(np.linspace(0, 1, LEVELS)[None] * gain[:, None], 0, None) ** cameras.gamma[camera]
    value = 0.42 + cameras.contrast[camera] * (value - 0.42)
    return _eight_bits(value).ravel()


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after a JPEG round trip."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
