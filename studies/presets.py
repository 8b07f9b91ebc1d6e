"""Presets: the same studies at another size. A preset changes recipes, so its records never mix with those of others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class TableWarning:
    """What heads a table that is not meant to be quoted: a title of few words, and why."""

    title: str
    text: str


@dataclass(frozen=True)
class Preset:
    """What a preset puts in place of the study's own data set and seeds (None: keep them), and changes in every recipe.

    `changes` maps recipe fields to values. `warning` heads every table that such runs fill. `embedded`: it is for the
    embedded benchmark's backbones alone, whose recipes its values were chosen for.
    """

    name: str
    dataset: str | None = None
    seeds: tuple[int, ...] | None = None
    changes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    warning: TableWarning | None = None
    embedded: bool = False


DEFAULT = Preset("default")
LONG = Preset("long", seeds=tuple(range(10)), changes=MappingProxyType({"epochs": 28}), embedded=True)
"""For effects too small for the default: ten seeds, and stage 2 until fusion has learned half of what its best constant
leaves: on training people its skill is .36 after 8 epochs, .49 after 24, .51 after 28 and .52 after 30 (seed 0). Warm-up
stays as long as it is in the default, since the optimiser's first steps need it and do not grow in number."""
SMOKE = Preset(
    "smoke",
    dataset="synthped-mini",
    seeds=(0, 1),
    changes=MappingProxyType(
        {
            "identity_epochs": 2,
            "prompt_warmup_epochs": 1,
            "part_epochs": 2,
            "epochs": 2,
            "warmup_epochs": 0.5,
        }
    ),
    warning=TableWarning(
        "SMOKE RUN", "a few identities and epochs show that the machinery works; the numbers mean nothing"
    ),
)
