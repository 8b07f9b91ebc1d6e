"""Experiment: a study on given data, backbone and seeds, resolved from a request."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.experiment.overrides import override
from harness.experiment.recipe_fields import FIELDS
from harness.inputs.backbones import find_backbone
from harness.inputs.own_code import own_choices
from harness.inputs.spec import Inputs
from pivl.recipe import Recipe
from pivl.synthped.names import STUDENT
from studies.backbones import EMBEDDED_BACKBONE, STUDENTS_PRINTED, Backbone
from studies.presets import Preset
from studies.published import DATASETS
from studies.study import Row, Study


@dataclass(frozen=True)
class Experiment:
    """A study's rows and seeds with data, initial weights and the changes to every recipe.

    limit_steps: stop each stage after so many steps; the runs are then no results. rerank: about re-ranked figures.
    parser_maps: folders of part maps by the name that rows have for them. student: the name of the student that rows
    with one train; empty where no row has one. external: methods of other code, as typed, that its table has as further
    rows. own_rows: rows by change, as typed. origin: the file or package that its study is of; empty for one of ours.
    redo: the rows whose runs by other code, or without weights, are to be done again.
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
    external: tuple[str, ...] = ()
    own_rows: tuple[str, ...] = ()
    origin: str = ""
    redo: tuple[str, ...] = ()

    @property
    def base(self) -> Backbone:
        """The backbone that the rows start from."""
        return find_backbone(self.inputs.backbone)

    @property
    def printed(self) -> tuple[str, ...]:
        """The paper's names of the backbone and of the student."""
        names = STUDENTS_PRINTED.get(self.student)
        return (*self.base.printed, names) if names and self.base.printed else self.base.printed

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.inputs.called

    @property
    def setting(self) -> str:
        """Data set, world and backbone as titles name them; a csv file is never taken for a public data set.

        The embedded benchmark's own backbone goes without saying there, and nowhere else.
        """
        dataset = f"{self.dataset}.csv" if self.inputs.is_csv else f"{self.dataset}{self.inputs.in_world}"
        usual = self.inputs.is_embedded and self.inputs.backbone == EMBEDDED_BACKBONE
        return dataset if usual else f"{dataset}, {self.inputs.backbone}"

    @property
    def published(self) -> str:
        """The paper's name of the data set; empty if the paper has no such data set, as for any csv file."""
        return "" if self.inputs.is_csv else DATASETS.get(self.dataset, "")

    @property
    def precision(self) -> str:
        """The precision of all its recipes."""
        return self.recipe(self.study.rows[0]).precision

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures that all rows train on."""
        return self.recipe(self.study.rows[0]).image_size

    @property
    def name(self) -> str:
        """The name of the study with its departures from the default: `ablation-smoke`, `ablation-market1501-rn50`."""
        usual = self.preset.dataset or self.study.dataset
        parts = [self.study.name]
        parts += [self.preset.name] if self.preset.name != "default" else []
        parts += [self.dataset] if self.inputs.dataset != usual else []
        parts += [f"world{self.inputs.world}"] if self.inputs.world else []
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

    def can_have(self, row: Row) -> bool:
        """Whether the data set has what a row needs: some need what only a renderer knows of its people."""
        return self.inputs.is_embedded or not row.rendered

    def inputs_of(self, row: Row) -> Inputs:
        """The inputs of a row: those of the experiment, with the row's own part maps if it names some."""
        if row.maps is None:
            return self.inputs
        return replace(self.inputs, part_maps=self.parser_maps.get(row.maps, row.maps))

    def all_inputs(self, rows: Sequence[str]) -> tuple[Inputs, ...]:
        """The different inputs of `rows` (names)."""
        return tuple(dict.fromkeys(self.inputs_of(row) for row in self.study.rows if row.name in rows))

    def recipe(self, row: Row) -> Recipe:
        """The recipe of a row here; what was typed and the preset give way to what the row itself changes."""
        layers = self.changes_of(row).values()
        return override(self.start_of(row), {name: value for one in layers for name, value in one.items()})

    def start_of(self, row: Row) -> Recipe:
        """The recipe that a row starts from on this backbone, before anything changes it."""
        start = self.base.recipes[row.start]
        return replace(start, **self.base.students) if row.student else start

    def changes_of(self, row: Row) -> dict[str, Mapping[str, Any]]:
        """The changes to what a row starts from, by where they come from; of two to one field the later holds."""
        student = {"student": self.student} if row.student else {}
        own = {**row.changes, **student, **own_choices(row)}
        return {"preset": self.preset.changes, "--set": self.changes, "row": own}

    @property
    def kept(self) -> dict[str, list[str]]:
        """The changed fields that rows set themselves to other values and keep; and those rows."""
        shown = [row for row in self.study.rows if row.name in self.shown]
        owners = {
            name: [row.name for row in shown if row.changes.get(name, value) != value]
            for name, value in self.changes.items()
        }
        return {name: rows for name, rows in owners.items() if rows}


@dataclass(frozen=True)
class Setting:
    """The value of a recipe's field, and where it comes from: default, backbone, preset, --set, --precision or row."""

    field: str
    value: Any
    origin: str


def settings_of(experiment: Experiment, row: Row) -> list[Setting]:
    """Returns the value of every field in a row of the experiment, in the order of the recipe."""
    recipe, start, layers = experiment.recipe(row), experiment.start_of(row), experiment.changes_of(row)
    found = []
    for name, item in FIELDS.items():
        origins = ["default" if getattr(start, name) == item.default else "backbone"]
        origins += [origin for origin, changes in layers.items() if name in changes]
        if name == "precision" and origins[-1] == "--set":
            origins.append("--precision")  # which is no field of --set, and kept among its changes
        found.append(Setting(name, getattr(recipe, name), origins[-1]))
    return found
