"""Part maps in place of the embedded benchmark's exact ones: made once, kept in the user's cache, known by content.

A source is an embedded parser, as `parser-m`, or `degraded:KIND-LEVEL` (pivl.parsers.degrade). Only training pictures
get its maps: the test pictures keep the exact ones, by which what a model has learned is measured.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pivl.data.cache.folder import cache_folder, check_room, one_at_a_time
from pivl.data.pictures import Pictures, Split
from pivl.errors import UserError
from pivl.parsers import degrade as degradations
from pivl.parsers.embedded import embedded_parser, parse_pictures, weights_of
from pivl.synthped.names import PARSERS
from pivl.system.files import sha256_of, write_atomically, write_text
from pivl.system.json_files import read_json

DEGRADED = "degraded:"

Report = Callable[[int, int], object]  # called with the pictures done and the total


@dataclass(frozen=True)
class Source:
    """make: from pictures to their maps, uint8 [N, H, W]; decided_by: a hash of what else decides these."""

    decided_by: str
    make: Callable[[Pictures, Report | None], Tensor]


def put_maps(split: Split, name: str, report: Report | None = None) -> Split:
    """`split` with the maps of the source `name` on its training pictures, from the cache or made into it.

    Raises UserError for a source that does not exist, or when the cache cannot be written.
    """
    source, size = _find(name), split.train.image.shape[2:]
    key = sha256(f"{split.fingerprint}/{name}/{source.decided_by}".encode()).hexdigest()[:12]
    path = cache_folder() / f"{split.name}-{size[0]}x{size[1]}-{name.replace(':', '-')}-{key}.npz"
    part_map = _read(path)
    if part_map is None:
        check_room(path.parent, len(split.train) * size.numel())
        with one_at_a_time(path, f"making part maps ({name})"):
            part_map = _read(path)  # another process may have been at it
            if part_map is None:
                part_map = source.make(split.train, report)
                made = part_map.numpy()
                write_atomically(path, lambda file: np.savez(file, part_map=made))
                write_text(path.with_suffix(".json"), json.dumps({"sha256": sha256_of(path)}) + "\n")
    digest = sha256(part_map.numpy().tobytes()).hexdigest()[:12]
    return replace(split, train=replace(split.train, part_map=part_map), maps=digest)


def _find(name: str) -> Source:
    if name.startswith(DEGRADED):
        kind = name.removeprefix(DEGRADED)
        return Source(sha256_of(Path(degradations.__file__)), lambda pictures, _: _degrade(pictures, kind))
    if name in PARSERS:
        return Source(sha256_of(weights_of(name)), lambda pictures, report: _parse(pictures, name, report))
    raise UserError(
        f"no part maps {name!r} of rendered images; known: {', '.join(PARSERS)}, {DEGRADED}KIND-LEVEL"
    )


def _parse(pictures: Pictures, name: str, report: Report | None) -> Tensor:
    return parse_pictures(embedded_parser(name), pictures.image, report)


def _degrade(pictures: Pictures, kind: str) -> Tensor:
    assert pictures.part_map is not None
    return degradations.degrade(pictures.part_map, pictures.names, kind)


def _read(path: Path) -> Tensor | None:
    """Returns the maps at `path` if they are there and whole; a line on stderr if they are there and not whole."""
    if not path.exists() or not path.with_suffix(".json").exists():
        return None
    try:
        if read_json(path.with_suffix(".json"))["sha256"] == sha256_of(path):
            with np.load(path) as arrays:
                return torch.from_numpy(arrays["part_map"])
    except (UserError, OSError, ValueError, KeyError, TypeError):
        pass  # the line below says it
    print(
        f"pivl-bench: {path} is cut or damaged (its checksum does not hold); making it again", file=sys.stderr
    )
    return None
