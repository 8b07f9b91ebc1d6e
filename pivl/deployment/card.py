"""model.json: what the tensors of a trained model do not say of it, so that its folder needs no record and no study."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pivl.data.normalization import NORMALIZATIONS, Normalization
from pivl.errors import Unreadable
from pivl.recipe import Recipe
from pivl.system.json_files import read_json
from pivl.system.random_streams import torch_stream
from pivl.towers.architecture import VisionArchitecture
from pivl.towers.clip import ImageInput, build_vision
from pivl.towers.student import Tower, shape_student
from pivl.towers.student_names import parse_student

NAME = "model.json"
FORM = 1  # raised when what stands in model.json changes its meaning
ADVICE = "copy the whole folder of the run again"
LARGEST_SIDE = 4096  # pixels
CAMERAS = "tower.camera_embedding"
PROJECTION = "tower.project.1.weight"  # of a student, into the text space
DESCRIPTOR = "before-neck"  # both features of the tower, a student's one, as a signature names them


@dataclass(frozen=True)
class StudentNetwork:
    """A student by its name (towers.student_names), and the width of the text space that it was trained towards."""

    name: str
    embed_dim: int


@dataclass(frozen=True)
class ModelCard:
    """A trained model without its tensors.

    image_size (height, width) in pixels; patch_stride: of a ViT, 0 for the patch itself; cameras: how many have an
    embedding (SIE), which counts `camera_scale` times; training_data: name and fingerprint of what it was trained on;
    signature: the protocol of the scores in its record.
    """

    architecture: VisionArchitecture | StudentNetwork
    image_size: tuple[int, int]
    normalization: Normalization
    patch_stride: int = 0
    cameras: int = 0
    camera_scale: float = 0.0
    training_data: str = ""
    signature: str = ""
    commit: str = ""

    def write(self, path: Path) -> None:
        """Writes the card as JSON."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Returns the card as a JSON value."""
        kind = {} if isinstance(self.architecture, VisionArchitecture) else {"kind": "student"}
        described = {"name": DESCRIPTOR, "normalised": False, "compared": "euclid-l2"}
        return {
            "form": FORM,
            **asdict(self),
            "architecture": {**kind, **asdict(self.architecture)},
            "descriptor": described,
        }

    def check_size(self, tensors: int) -> None:
        """Raises ValueError for more blocks than a file of so many tensors has."""
        if isinstance(self.architecture, VisionArchitecture) and sum(self.architecture.layers) > tensors:
            raise ValueError("more layers than tensors")

    def build(self) -> Tower:
        """Returns the image tower with random weights. Raises UserError or ValueError for one that cannot be."""
        shape = self.architecture
        if isinstance(shape, StudentNetwork):
            return shape_student(shape.name, shape.embed_dim)
        tower = build_vision(shape, ImageInput(self.image_size, self.patch_stride or None))
        if self.cameras:
            tower.add_camera_embedding(self.cameras, self.camera_scale, torch_stream(0, CAMERAS))
        return tower


def describe_model(
    recipe: Recipe, vision: VisionArchitecture | None, state: Mapping[str, Tensor], **origin: str
) -> ModelCard:
    """Returns the card of what `recipe` trained; `state` as stage 2 stores it, `vision` its tower if no student.

    origin: training_data, signature, commit.
    """
    is_vit = vision is not None and vision.kind == "vit"
    cameras = state[CAMERAS].shape[0] if CAMERAS in state else 0
    return ModelCard(
        architecture=vision or StudentNetwork(recipe.student, state[PROJECTION].shape[0]),
        image_size=recipe.image_size,
        normalization=NORMALIZATIONS[recipe.normalization],
        patch_stride=recipe.patch_stride if is_vit else 0,
        cameras=cameras,
        camera_scale=recipe.camera_embedding if cameras else 0.0,
        **origin,
    )


def read_card(path: Path) -> ModelCard:
    """Reads a model.json. Raises Unreadable, one line, for what is none."""
    value = read_json(path, ADVICE)
    try:
        if value["form"] != FORM:
            raise ValueError(f"form {value['form']!r:.20}, where this version reads {FORM}")
        return _card_of(value)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(path, f"no description of a model: {error!s:.100}", ADVICE) from error


def _card_of(value: Mapping[str, Any]) -> ModelCard:
    height, width = value["image_size"]
    stride, cameras = value["patch_stride"], value["cameras"]
    whole = {"height": height, "width": width, "patch_stride": stride, "cameras": cameras}
    for name, number in whole.items():
        if type(number) is not int or not 0 <= number <= LARGEST_SIDE:
            raise ValueError(f"{name} is {number!r:.20}")
    scale = value["camera_scale"]
    if not isinstance(scale, int | float) or not 0 <= scale <= LARGEST_SIDE:
        raise ValueError(f"camera_scale is {scale!r:.20}")
    texts = [value[name] for name in ("training_data", "signature", "commit")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("training_data, signature and commit are texts")
    return ModelCard(
        _architecture_of(value["architecture"]), (height, width), _normalization_of(value["normalization"]),
        stride, cameras, float(scale), *texts,
    )  # fmt: skip


def _architecture_of(value: Mapping[str, Any]) -> VisionArchitecture | StudentNetwork:
    """Returns an architecture whose numbers are whole and of a size that a file can hold."""
    numbers = [one for one in value.values() if isinstance(one, float | int)] + list(value.get("layers", ()))
    if not all(type(number) is int and 0 < number < 2**16 for number in numbers):
        raise ValueError("numbers of an architecture that cannot be")
    if value["kind"] == "student":
        if not re.fullmatch(r"[\w.:-]{1,100}", value["name"]):
            raise ValueError(f"no student is called {value['name']!r:.40}")
        parse_student(value["name"])
        return StudentNetwork(value["name"], int(value["embed_dim"]))
    return VisionArchitecture(**{**value, "layers": tuple(value["layers"])})


def _normalization_of(value: Mapping[str, Any]) -> Normalization:
    mean, std = (tuple(map(float, value[name])) for name in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3 or not all(0 < one < LARGEST_SIDE for one in std):
        raise ValueError("a normalisation has three means and three deviations")
    return Normalization((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
