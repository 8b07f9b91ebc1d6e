"""Part maps as other parsers' own programs write them, brought to our form (method.md 3.2 to 3.5).

SCHP and SOLIDER write class ids in palette PNG; InvPT writes colours, and the name of the task instead of the picture's.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pivl.data.part_maps.labels import ATR, IGNORE, LIP, PASCAL, LabelSet
from pivl.data.part_maps.reading import read_map
from pivl.data.part_maps.writing import schp_palette, write_map, write_meta
from pivl.data.picture_file import count_colours, open_png
from pivl.errors import Unreadable, UserError
from pivl.parsers.parse_folder import SUFFIXES, Complain, Outcome, Report
from pivl.parsers.score import list_maps
from pivl.system.numpy_files import read_array

INVPT_FILE = "human_parts.png"
SOLIDER_FOLDER = "sp_results"  # below the log folder of its evaluate.py
STRIP = 256  # rows of a map that are worked on at a time
FEW = 16  # colours of a palette, up to which Pillow takes fewer than 8 bits a pixel


@dataclass(frozen=True)
class Origin:
    """A program that writes maps: the label sets it has with the input size of each, and its order of colours."""

    input_sizes: Mapping[str, tuple[int, int]]
    color_order: str


ORIGINS: dict[str, Origin] = {
    "schp": Origin({LIP.name: (473, 473), ATR.name: (512, 512), PASCAL.name: (512, 512)}, "BGR"),
    "solider": Origin({LIP.name: (572, 384)}, "RGB"),
    "invpt": Origin({PASCAL.name: (512, 512)}, "RGB"),
}


def import_maps(
    origin: str, source: Path, output: Path, labels: LabelSet, report: Report, complain: Complain
) -> Outcome:
    """Write the maps of `origin` (a key of ORIGINS) below `source` to `output`, sub-folders kept, and meta.json.

    SCHP's `a..png` for a.jpeg becomes a.png; logits that it saved beside a map (.npy) become its confidence. InvPT's
    colours become ids, and a/human_parts.png becomes a.png. A map that cannot be read costs a line through `complain`.
    Raises UserError if there is none, two would have one name, or `origin` has no such label set.
    """
    facts = ORIGINS[origin]
    if labels.name not in facts.input_sizes:
        raise UserError(f"{origin} writes maps of {', '.join(facts.input_sizes)}, not of {labels.name}")
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(source)):
        raise UserError(f"{output} lies in {source}; name a folder outside it")
    if origin == "solider" and (source / SOLIDER_FOLDER).is_dir():
        source = source / SOLIDER_FOLDER
    targets = _targets(source, _invpt_name if origin == "invpt" else _schp_name)
    write_meta(
        output,
        labels,
        {
            "parser": origin,
            "input_size": list(facts.input_sizes[labels.name]),
            "color_order": facts.color_order,
        },
    )
    read = read_colors if origin == "invpt" else _read_ids
    broken = 0
    for number, (target, name) in enumerate(sorted(targets.items()), start=1):
        try:
            part_map = read(source / name, labels)
            confidence = read_logits((source / name).with_suffix(".npy"), part_map.shape, len(labels.parts))
        except UserError as error:
            complain(str(error))
            broken += 1
        else:
            write_map(output / target, part_map, confidence)
        report(number, len(targets))
    return Outcome(len(targets) - broken, 0, broken)


def read_colors(path: Path, labels: LabelSet) -> np.ndarray:
    """Returns a map in the palette's colours, RGB or opaque RGBA, or of class ids: uint8 [H, W].

    Raises UserError, one line that names the file, if it cannot be read, is transparent, or has a colour of no class.
    """
    try:
        with open_png(path) as picture:
            if picture.mode in ("RGB", "RGBA"):
                return _from_palette(path, picture, labels)
    except Unreadable as error:
        raise UserError(f"{path}: not a readable PNG ({error.reason}); write the part map again") from error
    return _read_ids(path, labels)


def _codes(colors: np.ndarray) -> np.ndarray:
    """Colours uint8 [..., 3 or more] as one number each: int32 [...]."""
    red, green, blue = (colors[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _read_ids(path: Path, labels: LabelSet) -> np.ndarray:
    """Returns class ids, uint8 [H, W], also of fewer than 8 bits: so Pillow writes the palette of Pascal's 7 classes."""
    if os.path.lexists(path) and 0 < count_colours(path) <= FEW:
        with open_png(path) as picture:
            ids = np.array(picture)
        if ids.max() < len(labels.parts):
            return ids
    part_map: np.ndarray = read_map(path, labels).numpy()
    return part_map


def _from_palette(path: Path, picture: Image.Image, labels: LabelSet) -> np.ndarray:
    """Returns the class id of each pixel by its colour: uint8 [H, W], a strip of rows at a time to take little memory."""
    colors = np.array(schp_palette(), np.uint8).reshape(-1, 3)[: len(labels.parts)]
    part_map = np.full((picture.height, picture.width), IGNORE, np.uint8)
    for top in range(0, picture.height, STRIP):
        ids = part_map[top : top + STRIP]
        strip = np.asarray(picture.crop((0, top, picture.width, top + len(ids))))
        if (strip[..., 3:] != 255).any():
            raise UserError(f"{path}: transparent pixels; save the map without transparency")
        codes = _codes(strip)
        for part, code in enumerate(_codes(colors)):
            ids[codes == code] = part
        if (ids == IGNORE).any():
            row, column = np.argwhere(ids == IGNORE)[0].tolist()
            raise UserError(
                f"{path}: colour {tuple(strip[row, column, :3].tolist())} at row {top + row}, column {column} is none "
                f"of the {len(colors)} of {labels.name}; save the map without smoothing or resizing"
            )
    return part_map


def read_logits(path: Path, size: tuple[int, ...], classes: int) -> np.ndarray | None:
    """Returns the largest softmax, float32 [H, W], of logits [H, W, C] that SCHP saved at `path`; None if there are none.

    Raises UserError, one line that names the file, if it holds anything else, another size or C, or infinite numbers.
    """
    if not os.path.lexists(path):
        return None
    try:
        logits = read_array(path)
    except Unreadable as error:
        raise UserError(
            f"{path}: not a readable .npy file ({error.reason}); write it again or remove it"
        ) from error
    if logits.shape != (*size, classes) or logits.dtype.kind != "f":
        raise UserError(
            f"{path}: {logits.dtype} {logits.shape}, not logits of its map's size {size} and {classes} classes; "
            "write it again or remove it"
        )
    confidence = np.empty(size, np.float32)
    for top in range(0, len(logits), STRIP):
        some = logits[top : top + STRIP].astype(np.float32)
        if not np.isfinite(some).all():
            raise UserError(f"{path}: not all logits are finite; mend the parser that made them")
        confidence[top : top + STRIP] = 1 / np.exp(some - some.max(-1, keepdims=True)).sum(-1)
    return confidence


def _targets(source: Path, rename: Callable[[PurePosixPath], PurePosixPath]) -> dict[str, str]:
    """Our name of every map below `source`, with its own."""
    names = sorted(list_maps(source))
    tasks = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == INVPT_FILE}
    targets: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if rename is _invpt_name and path.parent in tasks and path.name != INVPT_FILE:
            continue  # InvPT's other tasks
        target = str(rename(path))
        if target in targets:
            raise UserError(f"{source}: {targets[target]} and {name} would both become {target}; rename one")
        targets[target] = name
    if not targets:
        raise UserError(f"{source} holds no PNG file; name the folder of the maps")
    return targets


def _schp_name(path: PurePosixPath) -> PurePosixPath:
    """`a..png` is its name for the map of a.jpeg: it takes four letters off."""
    return path.with_name(f"{path.stem.removesuffix('.')}.png")


def _invpt_name(path: PurePosixPath) -> PurePosixPath:
    """Returns the folder's name where the file has the task's."""
    if path.name != INVPT_FILE:
        return path.with_suffix(".png")
    if not path.parent.name:
        raise UserError(
            f"{INVPT_FILE} does not say which image it is of; save each image's in a folder named as the image"
        )
    stem, suffix = os.path.splitext(path.parent.name)
    return path.parent.with_name(f"{stem if suffix.lower() in SUFFIXES else path.parent.name}.png")
