"""Results that were named by names and sizes of files, given the names that hash their bytes; nothing is trained for it.

That names and sizes agree does not prove that what was trained on is what lies there now. So a record is carried over
only if its pictures and maps lay in the same folder, none was changed since it began, and whatever was decoded of them
then is in the cache as it would be decoded now. Each folder is written whole under its new name before the old one goes:
killed anywhere, the next command goes on.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.display.progress import Progress
from harness.inputs.spec import Inputs, Size
from harness.plan.task import Cell
from harness.store.atomic import remove_folder, writing
from harness.store.claims import Owner
from harness.store.manifest import read_note
from harness.store.record_file import Record
from harness.store.records import Results
from harness.store.row_index import asked_rows, note_rows
from harness.store.run import Run
from pivl.errors import UserError
from pivl.recipe import Stage

if TYPE_CHECKING:
    from pivl.data.datasets.by_size import Compared, Renamed

FORMER = "formerly"  # in a record: the id under which it was stored before
Pair = tuple[Cell, Cell]  # as it was named, and as it is


@dataclass(frozen=True)
class Move:
    """The renaming of a stored folder; `sees_maps`: whether its content depends on part maps."""

    kind: str
    old: str
    new: str
    before: Run
    now: Run
    sees_maps: bool


@dataclass
class Material:
    """The files of training data, and the caches of their decoded form."""

    paths: Sequence[Path]
    caches: "Sequence[Renamed]"
    report: Callable[[int, int], object]

    @cached_property
    def changed(self) -> tuple[float, Path]:
        """The last change of a file, in seconds since 1970, and the file; no date can be set back in both ways."""
        looked = ((os.stat(path), path) for path in self.paths)
        return max((max(facts.st_mtime, facts.st_ctime), path) for facts, path in looked)

    @cached_property
    def compared(self) -> "Compared":
        """The cached content beside the content decoded from the files now."""
        from pivl.data.datasets.by_size import compare

        return compare(self.caches, self.report)


@dataclass
class Carrying:
    """The renamings of one data set, and the reasons why other results stay, with their number."""

    inputs: Inputs
    moves: list[Move] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


def carry_over(
    pairs: Sequence[Pair],
    places: Mapping[Inputs, Inputs],
    size: Size,
    results: Results,
    progress: Progress,
    note: Callable[[Inputs], object],
) -> None:
    """Renames the stored results of `pairs` from their former names.

    `places` has the inputs with the folders in which they were looked at; `note` is called with the inputs of which
    something is going to be carried over. What is done, and what is left behind and why, is a line each.
    """
    try:
        for inputs in dict.fromkeys(now.inputs for _, now in pairs):
            moves = [move for move in _moves(pairs, inputs) if _is_waiting(move, results)]
            if moves:
                carrying = _judge(moves, places[inputs], size, results, progress)
                if carrying.moves:
                    note(inputs)
                    _note_asked(carrying.moves, results)
                for move in carrying.moves:
                    _move(move, results)
                _tell(carrying, progress)
    except UserError as error:
        progress.warn(f"results of an earlier version are not taken over: {error}")
    finally:
        progress.close()


def _moves(pairs: Sequence[Pair], inputs: Inputs) -> list[Move]:
    """Every folder that may be stored of these inputs, stages first."""
    moves: dict[tuple[str, str], Move] = {}
    for before, now in ((before.run, now.run) for before, now in pairs if now.inputs == inputs):
        *stages, last = before.recipe.stages()
        names: list[tuple[Stage, str, str, tuple[str, ...]]] = [
            (stage, before.stage_id(stage), now.stage_id(stage), ("stages", "checkpoints"))
            for stage in stages
        ]
        names.append((last, before.id, now.id, ("runs", "reranked", "checkpoints")))
        for stage, old, new, kinds in names:
            sees_maps = bool(before.maps) and before.recipe.sees_maps(stage)
            for kind in kinds if old != new else ():
                moves.setdefault((kind, old), Move(kind, old, new, before, now, sees_maps))
    return sorted(moves.values(), key=lambda move: move.kind != "stages")


def _is_waiting(move: Move, results: Results) -> bool:
    """Whether a folder exists under the old name only, or both exist through an interrupted renaming."""
    old, new = _folders(move, results)
    if not old.exists():
        return False
    return not new.exists() or (results.read_record(new) or {}).get(FORMER) == move.old


def _folders(move: Move, results: Results) -> tuple[Path, Path]:
    return results.root / move.kind / move.old, results.root / move.kind / move.new


def _judge(
    moves: Sequence[Move], inputs: Inputs, size: Size, results: Results, progress: Progress
) -> Carrying:
    materials = _materials(moves, inputs, size, progress)
    found = Carrying(inputs)
    for move in moves:
        objection = _objection(move, materials[: 1 + move.sees_maps], inputs, results)
        if objection:
            found.left[objection] = found.left.get(objection, 0) + 1
        else:
            found.moves.append(move)
    return found


def _materials(moves: Sequence[Move], inputs: Inputs, size: Size, progress: Progress) -> list[Material]:
    """The pictures that runs saw, and then the part maps of those that saw some."""
    from pivl.data.benchmarks import SETS
    from pivl.data.datasets.by_size import map_caches, picture_caches
    from pivl.data.datasets.catalog import survey
    from pivl.data.part_maps.confidence import beside

    root, folder = (None if at is None else Path(at) for at in (inputs.data_root, inputs.part_maps))
    listing, maps = survey(inputs.dataset, root, folder, allow_partial=True)
    report = progress.count(inputs.called, "comparing with what was decoded before")
    pictures = [path for which in SETS for path in listing.paths(which)]
    materials = [Material(pictures, picture_caches(listing, size), report)]
    if maps:
        sure = any(move.before.recipe.align_pixels == "confidence" for move in moves)
        files = [path for _, path in maps.sources(listing) if path]
        files += [beside(path) for path in files] if sure else []
        materials.append(Material(files, map_caches(listing, maps, sure, size), report))
    return materials


def _objection(move: Move, materials: Sequence[Material], inputs: Inputs, results: Results) -> str:
    """The reason why results under the old name may be of other files; empty if there is none."""
    if move.kind == "checkpoints":
        noted = read_note(results).get(inputs.dataset, {}).get("fingerprint")
        known = noted in (move.before.fingerprint, move.now.fingerprint)  # the second by a move cut short
        proven = known and all(one.compared.same and not one.compared.other for one in materials)
        return "" if proven else "nothing says what an interrupted training saw"
    folder, _ = _folders(move, results)
    record = results.read_record(folder)
    if record is None or not results.is_sound(folder, record, hashed=record["files"]):
        return "they are not as they were written"
    if record["status"] != "finished":
        return "failed runs are tried again"
    if (place := _elsewhere(record, inputs, move.sees_maps)) is not None:
        return f"they were made of files in {place}"
    began = _began(record, move, results)
    when, path = max(one.changed for one in materials)
    if when > began:
        said = datetime.fromtimestamp(began, UTC).isoformat(sep=" ", timespec="seconds")
        return f"{path} was changed after {said}, when they began"
    if other := next((path for one in materials for path in one.compared.other), None):
        return f"they were made of other pixels, which {other} holds"
    if read := next((path for one in materials for path in one.compared.converted), None):
        return f"{read} was read as it is stored then, not turned, its 16 bits cut off or its transparency left out"
    return ""


def _elsewhere(record: Record, inputs: Inputs, sees_maps: bool) -> str | None:
    """The folder of the record's images or maps, if it is not the current one."""
    before, now = (_places(one) for one in (record.get("inputs", {}), asdict(inputs)))
    both = list(zip(before, now, strict=True))[: 1 + sees_maps]
    return next((old for old, new in both if os.path.realpath(old) != os.path.realpath(new)), None)


def _places(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """The folders of pictures and of part maps."""
    root = inputs.get("data_root") or os.path.dirname(inputs.get("dataset", ""))
    return root, inputs.get("part_maps") or root


def _began(record: Record, move: Move, results: Results) -> float:
    """The start of the record, or of its earliest stage, in seconds since 1970."""
    folders = [results.run_folder(name) for name in (move.old, move.new)]
    folders += [results.stage_folder(name) for name in record.get("stages", {}).values()]
    folders += [results.stage_folder(move.now.stage_id(stage)) for stage in record.get("stages", {})]
    records = [record, *(results.read_record(folder) for folder in folders)]
    return min(datetime.fromisoformat(one["date"]).timestamp() for one in records if one and "date" in one)


def _move(move: Move, results: Results) -> None:
    """Renames a folder and the ids in its files, unless another process owns it.

    Raises UserError where the disk refuses.
    """
    claim = results.claims.take(move.new)
    if isinstance(claim, Owner):
        return
    with claim:
        old, new = _folders(move, results)
        if not _is_waiting(move, results):
            return
        if move.kind == "checkpoints":
            with writing(new):
                old.rename(new)
            return
        if not new.exists():
            record = results.read_record(old)
            if record is None:
                return
            links = {name: _linker(old / name) for name in record["files"]}
            results.write(new, _renamed(record, move), links)
        remove_folder(old)


def _linker(source: Path) -> Callable[[Path], object]:
    def link(target: Path) -> None:
        try:
            os.link(source, target)
        except OSError:  # no file system has to have links
            shutil.copyfile(source, target)

    return link


def _renamed(record: Record, move: Move) -> Record:
    """The record with the names of now."""
    before, now = move.before, move.now
    stages = {stage: now.stage_id(stage) for stage in record.get("stages", {})}
    renamed = {**record, "id": record["id"].replace(move.old, move.new), "fingerprint": now.fingerprint}
    renamed |= {"stages": stages, FORMER: move.old}
    renamed |= {"maps": now.maps} if record.get("maps") == before.maps != "" else {}
    if "signature" in record:
        marks = (f"@{run.fingerprint[:6]}|" for run in (before, now))
        renamed["signature"] = record["signature"].replace(*marks, 1)
    return renamed


def _note_asked(moves: Sequence[Move], results: Results) -> None:
    """Replaces the former run ids of the requested rows in the row index."""
    ids = {move.old: move.new for move in moves if move.kind == "runs"}
    fingerprints = {move.before.fingerprint: move.now.fingerprint for move in moves}
    rows = []
    for row in asked_rows(replace(results, warn=lambda text: None)):
        runs = {seed: ids[run] for seed, run in row.runs.items() if run in ids}
        if runs and row.fingerprint in fingerprints:
            rows.append(replace(row, runs=runs, fingerprint=fingerprints[row.fingerprint]))
    note_rows(rows, results)


def _tell(carrying: Carrying, progress: Progress) -> None:
    called = carrying.inputs.called
    if carrying.moves:
        progress.note(
            f"{called}: {len(carrying.moves)} results named by sizes of files are carried over to names that hash their "
            "bytes; nothing is trained again for it"
        )
    for why, count in carrying.left.items():
        progress.warn(
            f"{called}: {count} results named by sizes of files are left behind and made again by run: {why}"
        )
