"""`--parser-maps NAME=FOLDER`: folders of part maps as rows of Table 4."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from harness.inputs.spec import Inputs
from pivl.errors import UserError
from pivl.system.homes import expand_home
from studies.parsers import NAMED, PARSERS, RENDERER
from studies.study import Contrast, Study


def parse_parser_maps(options: Sequence[str]) -> dict[str, str]:
    """Folders of part maps by name, from NAME=FOLDER; UserError for what is none."""
    found: dict[str, str] = {}
    for typed in options:
        name, equals, folder = typed.partition("=")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name) or not (equals and folder):
            raise UserError(
                f"--parser-maps {typed}: write NAME=FOLDER, the name in small letters, as schp=maps/a"
            )
        if name in found or name == PARSERS.reference:
            raise UserError(f"--parser-maps {typed}: another row is called {name}; choose another name")
        found[name] = os.path.realpath(expand_home(folder))
    return found


def with_maps(study: Study, folders: Mapping[str, str]) -> Study:
    """The study; where folders of part maps are named, its rows are theirs, each compared with the one before it."""
    if not folders:
        return study
    if study != PARSERS:
        raise UserError(f"--parser-maps: {study.name} trains on one set of maps; name it with --part-maps")
    named = [
        replace(RENDERER, name=name, title=f"PI-VL, {name}", published=NAMED.get(name), maps=name)
        for name in folders
    ]
    rows = (*(row for row in study.rows if row.name == study.reference), *named)
    return replace(study, rows=rows, contrasts=tuple(Contrast(two, one) for one, two in pairwise(folders)))


def check_maps(study: Study, inputs: Inputs, folders: Mapping[str, str]) -> None:
    """Raises UserError where rows want part maps that these pictures cannot have."""
    if inputs.is_embedded and folders:
        raise UserError(f"--parser-maps: {inputs.dataset} has parsers of its own; name a --dataset on disk")
    if not inputs.is_embedded and not folders and any(row.maps for row in study.rows):
        raise UserError(
            f"{study.name} on {inputs.called} compares folders of part maps; name each with --parser-maps NAME=FOLDER"
        )
