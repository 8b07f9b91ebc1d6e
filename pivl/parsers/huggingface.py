"""Human parsers from Hugging Face: a semantic-segmentation model in a local folder, its labels brought to ours.

Nothing is downloaded and no code of the folder is run. SegFormer models trained on ATR, LIP or Pascal-Person-Part name
their labels as these sets do, but for hyphens and capitals, and need no table of the user's.
"""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor

from pivl.data.part_maps.labels import IGNORE, LABEL_SETS, LabelSet
from pivl.errors import UserError, explain
from pivl.parsers.logits import check_logits
from pivl.parsers.parser import Parser, describe, label_resized
from pivl.parsers.schp_extractor import Parsed
from pivl.system.extras import need
from pivl.system.json_files import load_json
from pivl.towers.file_formats.weights_file import read_state

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
LARGEST_SIDE = 2**13  # pixels of the input
LabelMap = Mapping[str, str | None]
"""From a model's label to one of ours; None: its pixels have no label."""


@dataclass(frozen=True)
class Loaded:
    """A model on its device, and the processor that makes its input, of `size` (height, width), of pictures."""

    model: "PreTrainedModel"
    processor: Any
    size: tuple[int, int]


def transformers(
    folder: Path, labels: LabelSet | None, label_map: Path | None, device: torch.device, mixed: bool
) -> Parser:
    """Returns the model in `folder` as a parser into `labels`; without, into the label set that has all of its names.

    label_map: a JSON object from names of the model's labels to ours, null for none. Raises UserError where the package
    is not installed, the folder holds no such model, or a label of it is none of ours.
    """
    loaded = _load(folder, device)
    names = _read_names(folder, loaded.model.config)
    weights = _find_weights(folder)
    given = _read_label_map(label_map) if label_map else {}
    target = labels or _find_labels(folder, [*names.values()], given)
    table = label_table(names, target, given, folder)

    @torch.inference_mode()
    def parse(images: Sequence[Tensor]) -> list[Parsed]:
        with torch.autocast("cuda", torch.float16, enabled=mixed and device.type == "cuda"):
            logits = _run(loaded, images, folder)
        logits = check_logits(
            logits, len(images), len(names), weights, "of its own labels; correct its config.json"
        )
        found = [label_resized(some, image.shape[:2]) for some, image in zip(logits, images, strict=True)]
        return [Parsed(table[one.part_map.long()], one.confidence) for one in found]

    facts = describe("transformers", weights, loaded.size, "RGB")
    return Parser(target, {**facts, "model": type(loaded.model).__name__, "folder": folder.name}, parse)


def _run(loaded: Loaded, images: Sequence[Tensor], folder: Path) -> Any:
    """Returns the model's logits of pictures, uint8 [H, W, 3]."""
    try:
        batch = loaded.processor(images=[image.numpy() for image in images], return_tensors="pt")
        return loaded.model(batch["pixel_values"].to(loaded.model.device)).logits
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of a library, under settings of strangers
        raise UserError(
            f"{folder}: the model fails on an image ({explain(error)}); correct its settings"
        ) from error


def label_table(names: Mapping[int, str], labels: LabelSet, given: LabelMap, source: Path) -> Tensor:
    """uint8 [256]: the class id of `labels` for every id of the model, by `given` or else by its name."""
    ours = {name: number for number, name in enumerate(labels.parts)}
    table = torch.full((256,), IGNORE, dtype=torch.uint8)
    for number, name in names.items():
        chosen = given.get(name, _plain(name))
        if chosen is not None and chosen not in ours:
            raise UserError(
                f"{source}: its label {name!r} is none of label set {labels.name}; say what it is in a JSON file "
                f'for --label-map, as {{"{name}": "{labels.parts[-1]}"}}, or null for none'
            )
        table[number] = IGNORE if chosen is None else ours[chosen]
    return table


def _plain(name: str) -> str:
    """`Upper-clothes` as our label sets write it."""
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def _find_labels(folder: Path, names: Sequence[str], given: LabelMap) -> LabelSet:
    wanted = {given.get(name, _plain(name)) for name in names} - {None}
    fitting = [labels for labels in LABEL_SETS.values() if wanted <= {*labels.parts}]
    if not fitting:
        raise UserError(
            f"{folder}: its labels ({', '.join(sorted(map(str, wanted))[:4])}, ...) are no label set's; name one with "
            "--labels, and what its labels are there with --label-map"
        )
    return fitting[0]


def _read_label_map(path: Path) -> LabelMap:
    try:
        found = load_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: no JSON file ({explain(error, path)}); write an object from label to label"
        ) from error
    if not isinstance(found, dict) or not all(
        value is None or isinstance(value, str) for value in found.values()
    ):
        raise UserError(f"{path}: not an object from the model's labels to ours or null; correct it")
    return found


def _load(folder: Path, device: torch.device) -> Loaded:
    """Returns the model, read as `checkpoint.read_state` reads weights, so that no code of the folder runs."""
    need("transformers", "transformers", "--parser transformers")
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForSemanticSegmentation
    from transformers.utils import logging

    state, _ = read_state(_find_weights(folder))
    logging.disable_progress_bar()  # loading takes a moment; our own progress is about pictures
    logging.set_verbosity(CRITICAL)  # what it says of missing tensors is said below
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd settings
            processor = AutoImageProcessor.from_pretrained(folder, **local)
            config = AutoConfig.from_pretrained(folder, **local)
            with torch.device("meta"):
                kind = type(AutoModelForSemanticSegmentation.from_config(config, trust_remote_code=False))
            model, found = kind.from_pretrained(
                None, config=config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # of a library, about a folder that can hold anything
        raise UserError(
            f"{folder}: no semantic-segmentation model that transformers reads ({explain(error)})"
        ) from error
    other = [f"{name} of another shape" for name, *_ in found["mismatched_keys"]]
    if lacking := sorted([*map(str, found["missing_keys"]), *other]):
        raise UserError(
            f"{folder}: its weights lack {lacking[0]} ({len(lacking)} tensors in all), which would be random; "
            "use a model that was trained to label parts"
        )
    return Loaded(model.float().to(device).eval(), processor, _read_size(folder, processor))


def _find_weights(folder: Path) -> Path:
    """Returns the file of the model's weights; UserError where there is none."""
    found = next((folder / name for name in WEIGHTS if os.path.isfile(folder / name)), None)
    if found is None:
        raise UserError(f"{folder} holds no model ({' or '.join(WEIGHTS)}); name a downloaded model's folder")
    return found


def _read_names(folder: Path, config: Any) -> dict[int, str]:
    """Returns the model's labels by their ids, 0 and up; UserError for what no map can have."""
    names = config.id2label if isinstance(config.id2label, dict) else {}
    try:
        found = {int(number): name for number, name in names.items()}
    except (TypeError, ValueError):
        found = {}
    if sorted(found) != [*range(len(found))] or not 0 < len(found) <= IGNORE:
        raise UserError(f"{folder}: its config.json does not name its labels from 0 on; correct id2label")
    if not all(isinstance(name, str) for name in found.values()):
        raise UserError(f"{folder}: its config.json has labels without a name; correct id2label")
    return found


def _read_size(folder: Path, processor: Any) -> tuple[int, int]:
    """Height and width of the model's input; UserError unless whole pictures are resized to it.

    Only then do its logits lie over the picture.
    """
    settings = processor.to_dict()
    size = settings.get("size")
    size = size if isinstance(size, Mapping) else {}
    height, width = size.get("height"), size.get("width")
    cuts = settings.get("do_center_crop") or settings.get("do_pad")
    if cuts or not (_is_side(height) and _is_side(width)):
        raise UserError(
            f"{folder}: its preprocessor_config.json crops, pads or has no height and width; such maps would not lie "
            "over the images"
        )
    return height, width


def _is_side(pixels: Any) -> TypeGuard[int]:
    return type(pixels) is int and 0 < pixels <= LARGEST_SIDE
