"""Run: what decides a run's weights, and the id that is the hash of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.store.record_file import SCHEMA, digest
from pivl.recipe import STAGES, Recipe, Stage


@dataclass(frozen=True)
class Run:
    """The values that decide a run's weights, all of them.

    `weights` is the SHA-256 of the initial checkpoint. The name of the data set is not hashed, its fingerprint is.
    `limit_steps`: the steps of each stage of a test run. `maps`: the digest of part maps that the fingerprint does not
    cover, hashed for runs that train on them. `student_weights`: the SHA-256 of the student's, empty for random ones.
    """

    recipe: Recipe
    dataset: str
    fingerprint: str
    weights: str
    seed: int
    limit_steps: int | None = None
    maps: str = ""
    student_weights: str = ""

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of the hash over recipe, data, initial weights, seed and schema version."""
        return self._hash("run", "image-tower", self.recipe.choices())

    def stage_id(self, stage: Stage) -> str:
        """The id of `stage`: the hash over the fields that it depends on; rows that agree on them share the stage."""
        return self._stage_ids[stage]

    def stages_before(self, stage: Stage) -> dict[Stage, str]:
        """The ids of the stages that `stage` starts from, in order."""
        stages = self.recipe.stages()
        return {one: self.stage_id(one) for one in stages[: stages.index(stage)]}

    @cached_property
    def _stage_ids(self) -> dict[Stage, str]:
        return {one: self._hash(one, one, self.recipe.stage_choices(one)) for one in STAGES}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Run":
        """The run that `asdict` and JSON made `value` of. KeyError, TypeError, ValueError for what is none."""
        return cls(**{**value, "recipe": Recipe.from_json(value["recipe"])})

    def _hash(self, kind: str, reached: Stage, choices: Mapping[str, Any]) -> str:
        what = {"kind": kind, "schema": SCHEMA, "choices": choices, "data": self.fingerprint}
        further: dict[str, Any] = {} if self.limit_steps is None else {"limit_steps": self.limit_steps}
        further |= {"maps": self.maps} if self.maps and self.recipe.sees_maps(reached) else {}
        further |= {"student_weights": self.student_weights} if "student" in choices else {}
        return digest({**what, "weights": self.weights, "seed": self.seed, **further})[:16]
