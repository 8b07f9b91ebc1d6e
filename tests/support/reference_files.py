"""The committed files of the original's figures, verified as they are or changed on purpose."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pivl.verification.reference_file import Check
from pivl.verification.verify import verify_file
from tests.support.naive import FOLDER

RESNET, VIT, EVALUATION = (
    FOLDER / f"{name}.npz" for name in ("clipreid_rn_tiny", "clipreid_vit_tiny", "evaluation")
)


def verify(path: Path) -> list[Check]:
    return verify_file(path, lambda _: None)


def rewritten(source: Path, target: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """A copy of a reference file after `change` to its arrays and meta."""
    with np.load(source) as file:
        arrays = {key: file[key] for key in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    change(arrays, meta)
    np.savez(target, meta=json.dumps(meta), **arrays)
    return target
