"""What is asked: a study, or rows and seeds of it, on a data set and a backbone, from what a person typed."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.backbones import choose_backbone, find_base
from harness.choose import choose, choose_all, parse_seeds
from harness.inputs import EMBEDDED_SETS, OPENAI, Inputs, choose_dataset
from harness.origin import suitable_precision
from harness.overrides import override, parse_overrides
from harness.parser_maps import check_maps, parse_parser_maps, with_maps
from harness.students import RANDOM
from pivl.errors import UserError
from pivl.homes import expand_home
from pivl.recipe import Recipe
from pivl.towers.architecture import check_image_size
from pivl.towers.named import named_clips
from pivl.towers.student_names import parse_student
from studies.bases import EMBEDDED_BACKBONE, STUDENT, STUDENTS_PRINTED, Base
from studies.catalog import ALL, PRESETS, STUDIES
from studies.parsers import PARSERS
from studies.presets import Preset
from studies.published import DATASETS
from studies.study import Row, Study

USUAL_BACKBONE = "rn50"  # for pictures from disk: the paper's ablations are all on it


@dataclass(frozen=True)
class Asked:
    """What was typed about a study; None where nothing was."""

    study: str
    preset: str = "default"
    rows: str | None = None
    seeds: str | None = None
    dataset: str | None = None
    data_root: Path | None = None
    part_maps: Path | None = None
    backbone: str | None = None
    weights: str | None = None
    student: str | None = None
    student_weights: str | None = None
    precision: str = "auto"
    overrides: tuple[str, ...] = ()
    allow_partial: bool = False
    limit_steps: int | None = None
    rerank: bool = False
    device: str = "auto"
    parser_maps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A study's rows and seeds, the pictures and weights that answer them, and what is changed in every recipe.

    limit_steps: stop each stage after so many steps; the runs are then no results. rerank: about re-ranked figures.
    parser_maps: folders of part maps by the name that rows have for them. student: the name of the student that rows
    with one train; empty where no row has one.
    """

    study: Study
    preset: Preset
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    inputs: Inputs
    changes: Mapping[str, Any]
    limit_steps: int | None
    rerank: bool
    parser_maps: Mapping[str, str] = field(default_factory=dict)
    student: str = ""

    @property
    def base(self) -> Base:
        """What its rows start from."""
        return find_base(self.inputs.backbone)

    @property
    def printed(self) -> tuple[str, ...]:
        """What the paper's tables call the backbone, and the student, at hand."""
        names = STUDENTS_PRINTED.get(self.student)
        return (*self.base.printed, names) if names and self.base.printed else self.base.printed

    @property
    def dataset(self) -> str:
        """The name of the data set that answers it."""
        return self.inputs.called

    @property
    def setting(self) -> str:
        """Data set and backbone as a table names them; a csv file is never taken for a public data set."""
        dataset = f"{self.dataset}.csv" if self.inputs.is_csv else self.dataset
        return dataset if self.inputs.backbone == EMBEDDED_BACKBONE else f"{dataset}, {self.inputs.backbone}"

    @property
    def published(self) -> str:
        """What the paper calls the data set; empty for what it does not have, as a csv file whatever its name."""
        return "" if self.inputs.is_csv else DATASETS.get(self.dataset, "")

    @property
    def precision(self) -> str:
        """That of all its recipes."""
        return self.recipe(self.study.rows[0]).precision

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures that all rows train on."""
        return self.recipe(self.study.rows[0]).image_size

    @property
    def name(self) -> str:
        """`ablation`, and behind it whatever is not as usual: `ablation-smoke`, `ablation-market1501-rn50`."""
        usual = self.preset.dataset or self.study.dataset
        parts = [self.study.name]
        parts += [self.preset.name] if self.preset.name != "default" else []
        parts += [self.dataset] if self.inputs.dataset != usual else []
        parts += [self.inputs.backbone] if self.inputs.backbone != EMBEDDED_BACKBONE else []
        parts += [re.sub(r"[^\w.]+", "-", self.student)] if self.student not in ("", STUDENT) else []
        return "-".join([*parts, *(["reranked"] if self.rerank else [])])

    @property
    def needs_confidence(self) -> bool:
        """Whether one of its rows weights pixels by the confidence of their part maps."""
        asked = [row for row in self.study.rows if row.name in self.rows]
        return any(self.recipe(row).align_pixels == "confidence" for row in asked)

    @property
    def shown(self) -> tuple[str, ...]:
        """The rows of its table: those asked for, and the one that they are compared with."""
        return tuple(row.name for row in self.study.rows if row.name in (*self.rows, self.study.reference))

    @property
    def is_whole(self) -> bool:
        """Whether it leaves out no usual row and no seed and changes nothing."""
        usual = {row.name for row in self.study.rows if row.usual}
        seeds = self.preset.seeds or self.study.seeds
        as_defined = not self.limit_steps and not set(self.changes) - {"precision"}
        return usual <= set(self.rows) and set(seeds) <= set(self.seeds) and as_defined

    def inputs_of(self, row: Row) -> Inputs:
        """What a row starts from: the inputs of all, with part maps of its own where it names some."""
        if row.maps is None:
            return self.inputs
        return replace(self.inputs, part_maps=self.parser_maps.get(row.maps, row.maps))

    def all_inputs(self, rows: Sequence[str]) -> tuple[Inputs, ...]:
        """The different inputs of `rows` (names)."""
        return tuple(dict.fromkeys(self.inputs_of(row) for row in self.study.rows if row.name in rows))

    def recipe(self, row: Row) -> Recipe:
        """The recipe of a row here; what was typed and the preset give way to what the row itself changes."""
        base, own = self.base.recipes[row.method], row.changes
        if row.student:
            base, own = replace(base, **self.base.students), {**own, "student": self.student}
        return override(base, {**self.preset.changes, **self.changes, **own})

    @property
    def kept(self) -> dict[str, list[str]]:
        """The changed fields that rows of its table set themselves, to other values, which they keep; and those rows."""
        shown = [row for row in self.study.rows if row.name in self.shown]
        owners = {
            name: [row.name for row in shown if row.changes.get(name, value) != value]
            for name, value in self.changes.items()
        }
        return {name: rows for name, rows in owners.items() if rows}


def ask_each(asked: Asked) -> tuple[Question, ...]:
    """The questions that were typed: that of one study, or with `all` those of studies.catalog.ALL, in their order.

    Table 4 is among them for pictures on disk where parsers' maps are named.
    """
    if choose("study", asked.study, [*STUDIES, "all"]) != "all":
        return (ask(asked),)
    if asked.rows is not None:
        raise UserError("--rows: each study of all has rows of its own; name one study instead")
    without = () if asked.parser_maps or asked.dataset in (None, *EMBEDDED_SETS) else (PARSERS,)
    return tuple(ask(_about(asked, study)) for study in ALL if study not in without)


def has_students(study: Study) -> bool:
    """Whether a row of it trains a student."""
    return any(row.student for row in study.rows)


def _about(asked: Asked, study: Study) -> Asked:
    """What was typed of several studies, about one: options of students and of folders of maps go where they belong."""
    about = replace(asked, study=study.name, parser_maps=asked.parser_maps if study == PARSERS else ())
    return about if has_students(study) else replace(about, student=None, student_weights=None)


def ask(asked: Asked) -> Question:
    """The question that was typed; UserError for unknown names, for seeds that are none, for what does not agree."""
    return ask_about(STUDIES[choose("study", asked.study, STUDIES)], asked, PRESETS)


def ask_about(study: Study, asked: Asked, presets: Mapping[str, Preset]) -> Question:
    """The question about `study`, whatever its name; errors as for `ask`."""
    folders = parse_parser_maps(asked.parser_maps)
    study = with_maps(study, folders)
    preset = presets[choose("preset", asked.preset, presets)]
    names = [row.name for row in study.rows]
    usual = [row.name for row in study.rows if row.usual]
    chosen = usual if asked.rows is None else choose_all("row", asked.rows, names)
    rows = [name for name in names if name in chosen or name in study.always]
    seeds = parse_seeds(asked.seeds) if asked.seeds else preset.seeds or study.seeds
    inputs = _inputs(asked, preset.dataset or study.dataset)
    check_maps(study, inputs, folders)
    base = find_base(inputs.backbone)
    changes = parse_overrides(asked.overrides)
    if (precision := _precision(asked)) != base.recipes["CLIP-ReID"].precision:
        changes["precision"] = precision
    question = Question(
        study,
        preset,
        tuple(rows),
        seeds,
        inputs,
        changes,
        asked.limit_steps,
        asked.rerank,
        folders,
        student=_student(asked, study),
    )
    _check_changes(question)
    return question


def _check_changes(question: Question) -> None:
    """Raise UserError where a row or the backbone refuses what is changed, or no row asked for takes it on."""
    base = question.base
    patch = named_clips()[base.clip].architecture.vision.patch if base.clip else None
    for row in question.study.rows:
        if row.name in question.shown:
            check_image_size(question.recipe(row).image_size, base.kind, patch)
    for name, owners in question.kept.items():
        if set(question.rows) <= set(owners):
            raise UserError(
                f"--set {name}: each row asked for has its own ({', '.join(question.rows)}); leave it out"
            )


def _student(asked: Asked, study: Study) -> str:
    if has_students(study):
        name = asked.student or STUDENT
        parse_student(name)
        return name
    if asked.student or asked.student_weights:
        option = "--student" if asked.student else "--student-weights"
        raise UserError(f"{option}: {study.name} has no students; transfer is the study of them")
    return ""


def _inputs(asked: Asked, usual: str) -> Inputs:
    dataset = choose_dataset(asked.dataset or usual)
    found = Inputs(dataset)
    if found.is_embedded and (asked.data_root or asked.part_maps):
        option = "--data-root" if asked.data_root else "--part-maps"
        raise UserError(f"{option}: {dataset} is rendered and has its part maps; name a --dataset on disk")
    usual_backbone = EMBEDDED_BACKBONE if found.is_embedded else USUAL_BACKBONE
    return Inputs(
        dataset=os.path.realpath(expand_home(dataset)) if found.is_csv else dataset,
        data_root=_whole(asked.data_root),
        part_maps=_whole(asked.part_maps),
        allow_partial=asked.allow_partial,
        backbone=choose_backbone(asked.backbone or usual_backbone),
        weights=OPENAI if asked.weights == OPENAI else _whole(asked.weights),
        student_weights=RANDOM if asked.student_weights == RANDOM else _whole(asked.student_weights),
    )


def _whole(path: Path | str | None) -> str | None:
    """A path that means the same from any folder."""
    return None if path is None else os.path.realpath(expand_home(path))


def _precision(asked: Asked) -> str:
    """What was typed; `auto` is what suits the device."""
    return suitable_precision(asked.device) if asked.precision == "auto" else asked.precision
