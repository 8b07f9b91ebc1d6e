"""Extracts descriptors: of a data set's queries and gallery, or of all pictures below a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.display.progress import Progress
from harness.execution.scoring import name_data
from harness.external.described import Described, Folder, Side, market_people
from harness.external.request import TestSet
from harness.inputs.loading import load
from harness.inputs.spec import Inputs, choose_dataset
from harness.system.process import forbid_tf32
from pivl.deployment.model import UNKNOWN
from pivl.errors import UserError
from pivl.evaluation.retrieval import describe
from pivl.parsers.parse_folder import list_pictures
from pivl.synthped import benchmark
from pivl.synthped.benchmark import SYNTHPED_MINI
from pivl.system.homes import expand_home

if TYPE_CHECKING:
    from pivl.data.pictures import Pictures, Split
    from pivl.deployment.model import Deployed


def load_test_set(wanted: TestSet, size: tuple[int, int], progress: Progress) -> "Split":
    """The data set that was asked for, at the model's size. Raises UserError."""
    name = choose_dataset(wanted.dataset or "")
    dataset = str(expand_home(name)) if Inputs(name).is_csv else name
    root = None if wanted.data_root is None else str(wanted.data_root)
    return load(Inputs(dataset, data_root=root, allow_partial=wanted.allow_partial), size, progress)


def describe_dataset(model: "Deployed", wanted: TestSet, batch: int, progress: Progress) -> Described:
    """Describes queries and gallery as a record's scores were computed; pictures that are both are seen once."""
    forbid_tf32()
    facts = model.facts
    split = load_test_set(wanted, facts.image_size, progress)
    same = split.query is split.gallery
    progress.note(
        f"{split.name}: describing {len(split.query)} queries and {len(split.gallery)} gallery images"
    )
    report = progress.count(split.name, "describing")
    known = _knows_cameras(model, split)
    if facts.cameras and not known:
        progress.warn(f"cameras of {split.name} are unknown to the model: it gets the mean of its embeddings")
    query = _describe(model, split.query, known, batch, report)
    gallery = query if same else _describe(model, split.gallery, known, batch, report)
    said = {
        "dataset": name_data(split),
        "metric": "euclid-l2",
        "descriptor": facts.descriptor,
        "training_data": facts.training_data,
    }
    return Described(_side(split.query), _side(split.gallery), (query, gallery), facts=said)


def _knows_cameras(model: "Deployed", split: "Split") -> bool:
    """Whether cameras are those that the model has embeddings of: of its own data, or as many, where that is not told."""
    if model.facts.training_data:
        return model.facts.training_data == name_data(split)
    return model.facts.cameras == 1 + max(
        int(one.camera.max()) for one in (split.train, split.query, split.gallery)
    )


def _describe(
    model: "Deployed", pictures: "Pictures", known: bool, batch: int, report: Callable[[int, int], None]
) -> np.ndarray:
    """The descriptors; cameras of other data than the model's own are unknown to it."""

    def embed(image: Tensor, camera: Tensor) -> Tensor:
        return model.embed(image, camera if known else torch.full_like(camera, UNKNOWN))

    device = next(model.parameters()).device
    return describe(embed, pictures, model.facts.normalization, batch, device, report).float().cpu().numpy()


def _side(pictures: "Pictures") -> Side:
    family = None if pictures.family is None else pictures.family.numpy()
    return Side(market_people(pictures.person.numpy()), pictures.camera.numpy(), pictures.names, family)


def describe_folder(model: "Deployed", folder: Path, batch: int, progress: Progress) -> tuple[Folder, int]:
    """Describes every picture below `folder`, and counts those that cannot be read, each a warning.

    Raises UserError if there is none that can.
    """
    forbid_tf32()
    names, report = list_pictures(folder), progress.count(str(folder), "describing")
    progress.note(f"{folder}: describing {len(names)} images")
    device = next(model.parameters()).device
    kept: list[str] = []
    found: list[np.ndarray] = []
    for start in range(0, len(names), batch):
        images = []
        for name in names[start : start + batch]:
            try:
                images.append(model.transform(folder / name))
                kept.append(name)
            except UserError as error:
                progress.warn(str(error))
        if images:
            found.append(model.embed(torch.stack(images).to(device)).float().cpu().numpy())
        report(min(start + batch, len(names)), len(names))
    if not found:
        raise UserError(f"{folder}: none of its {len(names)} images can be read; name another folder")
    said = {"metric": "euclid-l2", "descriptor": model.facts.descriptor}
    return Folder(np.concatenate(found), tuple(kept), said), len(names) - len(kept)


def pictures_for_check(model: "Deployed", folder: Path | None, count: int = 8) -> Tensor:
    """Pictures uint8 [N, 3, H, W] at the model's size: the first of `folder`, or some of the embedded benchmark's people.

    Raises UserError for a folder without a readable picture.
    """
    if folder is not None:
        names = list_pictures(folder)[:count]
        return torch.stack([torch.from_numpy(model.pixels(folder / name)) for name in names])
    few = replace(
        SYNTHPED_MINI, name="export-check", training_people=4, training_shots=2, test_people=4, cameras=2
    )
    found = benchmark.load(few).gallery.image[:count]
    pixels = [model.pixels(Image.fromarray(one.permute(1, 2, 0).numpy())) for one in found]
    return torch.from_numpy(np.stack(pixels))
