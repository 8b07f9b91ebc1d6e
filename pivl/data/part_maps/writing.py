"""Part maps are written as files, as pivl.data.part_maps.reading reads them (method.md 3.5)."""

import json
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pivl.data.part_maps.confidence import beside
from pivl.data.part_maps.labels import LabelSet
from pivl.errors import UserError
from pivl.system.files import write_atomically, write_text
from pivl.system.json_files import read_json

MADE_OF = "Picture SHA-256"  # text in a map's file: the digest of the picture that it was made of


def schp_palette() -> list[int]:
    """The palette of SCHP's files (256 colours, flat): PASCAL VOC's, the bits of the id spread over the channels."""
    colors = []
    for label in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (label >> bit & 1) << (7 - bit // 3)
        colors += channels
    return colors


def palette_picture(part_map: np.ndarray) -> Image.Image:
    """Class ids, uint8 [H, W], as the 8-bit palette picture that SCHP writes."""
    picture = Image.fromarray(part_map).convert("L")
    picture.putpalette(schp_palette())
    return picture


def write_map(path: Path, part_map: np.ndarray, confidence: np.ndarray | None = None, of: str = "") -> None:
    """Write class ids, uint8 [H, W], to the PNG at `path`; before it the confidence [H, W] beside it, as float16.

    So a map that is there is whole, and its confidence with it; without one, none of an earlier map stays. `of` is the
    SHA-256 of the picture, noted in the PNG as MADE_OF. Raises UserError as write_atomically does.
    """
    if confidence is not None:
        half = confidence.astype(np.float16)
        write_atomically(beside(path), lambda file: np.savez_compressed(file, confidence=half))
    else:
        beside(path).unlink(missing_ok=True)
    picture, facts = palette_picture(part_map), PngInfo()
    if of:
        facts.add_text(MADE_OF, of)
    write_atomically(path, lambda file: picture.save(file, format="PNG", pnginfo=facts))


def write_meta(folder: Path, labels: LabelSet, facts: Mapping[str, Any]) -> None:
    """Write meta.json of the maps in `folder`: label set, flip pairs and `facts` about what made them.

    Raises UserError where the folder has another meta.json: maps of two origins would be taken for one.
    """
    path = folder / "meta.json"
    meta = {"label_set": labels.name, "flip_pairs": labels.flip_pairs, **facts}
    text = json.dumps(meta, indent=1) + "\n"
    if path.exists():
        there = read_json(path, advice="name a new folder for the maps")
        wanted = json.loads(text)
        if there != wanted:
            known = there if isinstance(there, dict) else {}
            key = next((key for key in wanted if known.get(key) != wanted[key]), "another key")
            raise UserError(
                f"{path}: {key} is {shorten(known.get(key))}, not {shorten(wanted.get(key))}: the folder holds maps "
                "of another origin; name a new one"
            )
        return
    write_text(path, text)
