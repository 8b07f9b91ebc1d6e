"""Occluded-Duke from DukeMTMC-reID and the three name lists that its authors give out instead of pictures.

A picture comes from the same folder of DukeMTMC-reID; some occluded ones moved from its gallery to the new queries.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from pivl.data.benchmarks import DUKEMTMC, OCCLUDED_DUKE, SETS, SetName
from pivl.data.datasets.layouts import locate
from pivl.data.datasets.lines import read_lines
from pivl.errors import UserError

NAME = re.compile(r"\d{4}_c\d_f\d+\.jpg")


def build_occluded_duke(duke_root: Path, lists_folder: Path, output: Path) -> dict[SetName, int]:
    """Lay out Occluded-Duke in `output`, which must be empty or not exist, from train.list, query.list, gallery.list.

    Pictures are linked where the file system can, else copied; `output` appears whole or not at all. Returns the number
    of pictures per set. Raises UserError, one line, for a missing folder, list or picture, for a line that is no
    picture's name, and for a list of another length than the published one.
    """
    duke = locate(DUKEMTMC, duke_root)
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise UserError(f"{output} is there and not an empty folder; name a new one")
    names = {which: _read_list(lists_folder / f"{which}.list", which) for which in SETS}
    sources = {which: [_source(duke, which, name) for name in names[which]] for which in SETS}
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        for which in SETS:
            place = temporary / OCCLUDED_DUKE.folders[which]
            place.mkdir()
            for source in sources[which]:
                _link(source, place / source.name)
        temporary.chmod(0o755)
        temporary.replace(output)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror or error}; name another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {which: len(names[which]) for which in SETS}


def _read_list(path: Path, which: SetName) -> list[str]:
    """Returns the picture names of a list, checked."""
    advice = f"name the folder that holds {which}.list"
    names = [name for _, line in read_lines(path, advice) for name in line.split()]
    for number, name in enumerate(names, 1):
        if not NAME.fullmatch(name):
            raise UserError(
                f"{path}, line {number}: {name[:200]!r} is no image of DukeMTMC-reID; get the list again"
            )
    expected = OCCLUDED_DUKE.counts[which].images
    if len({*names}) != expected:
        raise UserError(f"{path}: expected {expected} images, found {len({*names})}; get the list again")
    return names


def _source(duke: Path, which: SetName, name: str) -> Path:
    """Returns the picture in the folder of its own set, or in the gallery."""
    for folder in (DUKEMTMC.folders[which], DUKEMTMC.folders["gallery"]):
        if (duke / folder / name).is_file():
            return duke / folder / name
    raise UserError(f"dukemtmc: no image {name} of {which}.list in {duke}; unpack {DUKEMTMC.title} again")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
