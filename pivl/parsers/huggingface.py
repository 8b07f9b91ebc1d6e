"""Human parsers from Hugging Face: a semantic-segmentation model in a local folder, its labels brought to ours.

Nothing is downloaded and no code of the folder is run. SegFormer models trained on ATR, LIP or Pascal-Person-Part name
their labels as these sets do, but for hyphens and capitals, and need no table of the user's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pivl.data.labels import IGNORE, LABEL_SETS, LabelSet
from pivl.errors import UserError
from pivl.parsers.extractor import Parsed
from pivl.parsers.parser import Parser, describe, label_resized

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
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
    """The model in `folder` as a parser into `labels`; without, into the label set that has all of its names.

    label_map: a JSON object from names of the model's labels to ours, null for none. Raises UserError where the package
    is not installed, the folder holds no such model, or a label of it is none of ours.
    """
    loaded = _load(folder, device)
    names = {int(number): name for number, name in (loaded.model.config.id2label or {}).items()}
    given = _read_label_map(label_map) if label_map else {}
    target = labels or _find_labels(folder, [*names.values()], given)
    table = label_table(names, target, given, folder)

    @torch.inference_mode()
    def parse(images: Sequence[Tensor]) -> list[Parsed]:
        batch = loaded.processor(images=[image.numpy() for image in images], return_tensors="pt")
        with torch.autocast("cuda", torch.float16, enabled=mixed and device.type == "cuda"):
            logits = loaded.model(batch["pixel_values"].to(device)).logits.float()
        found = [label_resized(some, image.shape[:2]) for some, image in zip(logits, images, strict=True)]
        return [Parsed(table[one.part_map.long()], one.confidence) for one in found]

    weights = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    facts = describe("transformers", weights, loaded.size, "RGB")
    return Parser(target, {**facts, "model": type(loaded.model).__name__, "folder": folder.name}, parse)


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
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no JSON file ({error}); write an object from label to label") from error
    if not isinstance(found, dict) or not all(
        value is None or isinstance(value, str) for value in found.values()
    ):
        raise UserError(f"{path}: not an object from the model's labels to ours or null; correct it")
    return found


def _load(folder: Path, device: torch.device) -> Loaded:
    try:
        from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation
        from transformers.utils import logging
    except ImportError as error:
        raise UserError(
            "--parser transformers needs its package: pip install 'pivl-bench[transformers]'"
        ) from error
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise UserError(f"{folder} holds no model ({' or '.join(WEIGHTS)}); name a downloaded model's folder")
    logging.disable_progress_bar()  # loading takes a moment; our own progress is about pictures
    logging.set_verbosity_error()
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSemanticSegmentation.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{folder}: no semantic-segmentation model that transformers reads ({reason})"
        ) from error
    return Loaded(model.to(device).eval(), processor, _read_size(folder, processor))


def _read_size(folder: Path, processor: Any) -> tuple[int, int]:
    """Height and width of the model's input; UserError unless whole pictures are resized to it.

    Only then do its logits lie over the picture.
    """
    settings = processor.to_dict()
    size = settings.get("size") or {}
    cuts = settings.get("do_center_crop") or settings.get("do_pad")
    if cuts or not (size.get("height") and size.get("width")):
        raise UserError(
            f"{folder}: its preprocessor_config.json crops, pads or has no height and width; such maps would not lie "
            "over the pictures"
        )
    return size["height"], size["width"]
