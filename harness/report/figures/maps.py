"""Maps of a row on pictures: of the identity logit for training people, of the cosine with a match for test people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.execution.stored_run import OpenedRun
from pivl.data.normalization import NORMALIZATIONS
from pivl.data.pictures import Split
from pivl.errors import UserError
from pivl.evaluation.attribution import (
    class_shares,
    cosine_shares,
    direction_of,
    gradient_map,
    mean_shares,
    projected_class_shares,
    relevance,
)
from pivl.towers.resnet import ResNetTower
from pivl.towers.vit import VisionTower

AVERAGE, ATTENTION = "CAM, average pool", "share of the attention pool"
GRADIENT, RELEVANCE = "Grad-CAM before the last block", "relevance (Chefer)"
COSINE = "share of the cosine"
REASONS = {
    GRADIENT: "Grad-CAM is taken where the last block reads its patches, since only the class token of its output is "
    "used, so that those after it have no gradient."
}  # of a kind of map whose place has to be explained
Maps = Mapping[str, Tensor]


@dataclass(frozen=True)
class Picked:
    """Pictures of a set by place, and of queries a match each: a gallery picture of the person by another camera."""

    which: str
    index: Tensor
    image: Tensor
    person: Tensor
    camera: Tensor
    match_image: Tensor
    match_camera: Tensor

    @classmethod
    def of(cls, split: Split, which: str, index: Tensor, draw: int) -> "Picked":
        """The pictures at `index` of the training or query set; matches are drawn by the seed `draw`."""
        source = split.train if which == "train" else split.query
        matches = index if which == "train" else _matches(split, index, draw)
        others = split.train if which == "train" else split.gallery
        return cls(
            which, index, source.image[index], source.person[index], source.camera[index], others.image[matches],
            others.camera[matches],
        )  # fmt: skip


def _matches(split: Split, index: Tensor, draw: int) -> Tensor:
    drawn, found = np.random.default_rng(draw), []
    for one in index.tolist():
        right = (split.gallery.person == split.query.person[one]) & (
            split.gallery.camera != split.query.camera[one]
        )
        places = torch.nonzero(right)[:, 0].tolist()
        if not places:
            raise UserError(
                f"query {split.query.names[one]}: no gallery image of its person by another camera"
            )
        found.append(int(drawn.choice(places)))
    return torch.tensor(found)


def class_maps(run: OpenedRun, picked: Picked) -> Maps:
    """Maps of where the logit of each picture's own class comes from: by kind, [B, h, w] each."""
    model, tower = run.trained.model, run.trained.model.tower
    image, camera = _input(run, picked.image, picked.camera)
    person = picked.person.to(image.device)
    if isinstance(tower, VisionTower):
        direction, _ = direction_of(model.neck, model.classifier.weight[person])
        direction = direction.detach()
        return _of_vit(
            tower, image, camera, lambda one: (one[:, : direction.shape[1]] * direction).sum(dim=1)
        )
    with torch.no_grad():
        found = tower(image, camera).deepest
        assert found is not None
        maps = {AVERAGE: class_shares(model, found, person).map}
        if isinstance(tower, ResNetTower):
            maps[ATTENTION] = projected_class_shares(model, found, person).map
    return maps


def match_maps(run: OpenedRun, picked: Picked) -> Maps:
    """Maps of where the cosine of each picture with its match comes from: by kind, [B, h, w] each."""
    model, tower = run.trained.model, run.trained.model.tower
    image, camera = _input(run, picked.image, picked.camera)
    with torch.no_grad():
        others = model.embed(*_input(run, picked.match_image, picked.match_camera))
    if isinstance(tower, VisionTower):
        return _of_vit(tower, image, camera, lambda one: functional.cosine_similarity(one, others))
    with torch.no_grad():
        found = tower(image, camera).deepest
        assert found is not None
        if isinstance(tower, ResNetTower):
            return {COSINE: cosine_shares(tower, found, others).map}
        shares = mean_shares(found, others)
        return {COSINE: shares.over(found.mean(dim=(2, 3)).norm(dim=1) * others.norm(dim=1)).map}


def _of_vit(tower: VisionTower, image: Tensor, camera: Tensor, score: Callable[[Tensor], Tensor]) -> Maps:
    return {
        GRADIENT: gradient_map(tower, image, camera, score),
        RELEVANCE: relevance(tower, image, camera, score),
    }


def _input(run: OpenedRun, image: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures as the tower sees them."""
    device = run.trainer.device
    normalization = NORMALIZATIONS[run.trainer.recipe.normalization_of("image-tower")]
    return normalization.normalize(image.to(device)), camera.to(device)
