"""Studies of one's own, from a file of Python named by `--study` or from an installed package.

A file builds a `Study` at its top from public names (studies.study, studies.ablation); a package names it in the
entry-point group `pivl_bench.studies`. What is no study is a UserError of one line that names the file.
"""

import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from harness.experiment.recipe_fields import FIELDS, settable_field
from harness.inputs.choices import choose
from harness.inputs.own_code import load_module, name_code
from pivl.errors import UserError
from pivl.system.ranges import refusal, shorten
from studies.catalog import SEVERAL, STUDIES
from studies.study import Row, Study

GROUP = "pivl_bench.studies"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,60}")


@dataclass(frozen=True)
class FoundStudy:
    """A study, and where it is from: a file or a package; empty for one of studies.catalog."""

    study: Study
    origin: str = ""


def find_study(name: str, file: Path | str | None) -> FoundStudy:
    """The study called `name`, of `file` or else of the catalog and of packages; a file's only study needs no name."""
    if file is not None:
        return _of_file(name, Path(file))
    ours = (*STUDIES, *SEVERAL)
    packages = {point.name: point for point in entry_points(group=GROUP) if point.name not in ours}
    if not name:
        raise UserError(f"no study named; known: {', '.join([*STUDIES, *packages])}; or --study FILE.py")
    if choose("study", name, [*STUDIES, *packages, *SEVERAL]) in SEVERAL:
        raise UserError(f"{name} is several studies, which only run and plan take; name one of them here")
    if name in packages:
        return _of_package(packages[name])
    return FoundStudy(STUDIES[name])


def _of_file(name: str, file: Path) -> FoundStudy:
    module = load_module(file, f"pivl_bench_study_{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}")
    ours = [id(study) for study in STUDIES.values()]  # which a file may import to change them
    found = {one.name: one for one in vars(module).values() if isinstance(one, Study) and id(one) not in ours}
    if not found:
        raise UserError(f"{file}: it builds no Study; see docs/your-method.md for one that does")
    if not name and len(found) > 1:
        raise UserError(f"{file} has the studies {', '.join(found)}; name one of them before --study")
    study = found[choose(f"study of {file.name}", name or next(iter(found)), found)]
    return FoundStudy(_checked(study, str(file)), f"{study.name} of {file.name}")


def _of_package(point: EntryPoint) -> FoundStudy:
    package = point.dist.name if point.dist else point.module
    try:
        study = point.load()
    except Exception as error:
        raise UserError(f"{package}: its study {point.name} cannot be loaded ({error})") from error
    if not isinstance(study, Study) or study.name != point.name:
        raise UserError(f"{package}: its entry point {point.name} is no Study of that name")
    return FoundStudy(_checked(study, package), f"{study.name} of the package {package}")


def _checked(study: Study, place: str) -> Study:
    """The study. Raises UserError, naming `place`, where it does not fit together or a row changes what it cannot."""
    rows = [row.name for row in study.rows]
    if study.name in (*STUDIES, *SEVERAL):
        raise UserError(f"{place}: a study of pivl-bench is called {study.name}; choose another name")
    for name in (study.name, *rows):
        if not NAME.fullmatch(name):
            raise UserError(f"{place}: {name!r} is no name to type; write small letters, as my-row")
    if twice := [name for name in rows if rows.count(name) > 1]:
        raise UserError(f"{place}: two rows are called {twice[0]}; give each a name of its own")
    for called in (
        study.reference,
        *study.required,
        *(x for one in study.contrasts for x in (one.row, one.against)),
    ):
        if called not in rows:
            raise UserError(f"{place}: {study.name} has no row {called}; its rows are {', '.join(rows)}")
    for row in study.rows:
        _check_row(row, place)
    return study


def _check_row(row: Row, place: str) -> None:
    try:
        for name, value in row.changes.items():
            item = FIELDS[settable_field(name)]
            if item.name != name:
                raise UserError(f"{name} is the paper's symbol; write {item.name}")
            if wanted := refusal(value, item.type, item.metadata.get("range")):
                raise UserError(f"{name} is {shorten(value)}; it must be {wanted}")
        for code in (row.loss, row.head):
            if code is not None:
                name_code(code)
    except UserError as error:
        raise UserError(f"{place}, row {row.name}: {error}") from error
