"""Inputs of runs by name: data sets and initial weights, and the digests that enter run ids.

A note in the results folder keeps the digests that cost much to find: the fingerprint of a rendered data set needs
its pictures and those need torch, OpenAI's weights need the network. It also lets a table be made from records where
the pictures are not at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.inputs.choices import choose
from pivl.data.benchmarks import BENCHMARKS
from pivl.recipe import Recipe
from pivl.synthped.names import EMBEDDED_SETS
from studies.backbones import EMBEDDED_BACKBONE

if TYPE_CHECKING:
    from pivl.synthped.benchmark import SynthpedConfig

Size = tuple[int, int]


@dataclass(frozen=True)
class Inputs:
    """The places of a study's images, part maps and initial weights; run ids hash the content found there.

    dataset: an embedded set, a public one or a csv file. part_maps: of pictures on disk a folder; of rendered ones a
    source that stands in for the exact maps (pivl.parsers.map_sources). labels: the label set of folders of part maps
    without meta.json, if it was named. backbone: of harness.inputs.backbones. weights: a
    file,
    `openai`, or None for the CLIP that comes with the package. held_out: not the test people but training people that
    this seed draws are query and gallery (pivl.data.holdout). student_weights: what students start from
    (harness.inputs.student_weights). world: the draw of an embedded set's people and cameras.
    """

    dataset: str
    data_root: str | None = None
    part_maps: str | None = None
    allow_partial: bool = False
    backbone: str = EMBEDDED_BACKBONE
    weights: str | None = None
    held_out: int | None = None
    student_weights: str | None = None
    world: int = 0
    labels: str | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the pictures are rendered, not read from disk."""
        return self.dataset in EMBEDDED_SETS

    @property
    def called(self) -> str:
        """The name of the data set in file names and tables."""
        return Path(self.dataset).stem if self.is_csv else self.dataset

    @property
    def in_world(self) -> str:
        """`, world 1`, to follow a name in messages and tables; empty for world 0."""
        return f", world {self.world}" if self.world else ""

    @property
    def is_csv(self) -> bool:
        """Whether the data set is a csv file of a person's own."""
        return self.dataset.lower().endswith(".csv")


@dataclass(frozen=True)
class DataIdentity:
    """The identity of a data set: the fingerprint of its images and the digest of its training part maps.

    maps: None where there are none, empty where the fingerprint covers them. confident: their digest together with
    their confidence, for recipes that use it. partial: found and expected pictures of each set that is not a public
    benchmark's whole. untrained: cameras of its test pictures that no training picture is by. people: how many are
    trained on, 0 where that is not known.
    shots: how many training people have how many pictures, where it was listed just now.
    former: what it was to versions that hashed sizes of files. place: the inputs with the folders that were looked at.
    """

    fingerprint: str
    maps: str | None
    confident: str = ""
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()
    people: int = 0
    shots: Mapping[int, int] = field(default_factory=dict, compare=False)
    former: "DataIdentity | None" = field(default=None, compare=False)
    place: Inputs | None = field(default=None, compare=False)

    def maps_of(self, recipe: Recipe) -> str:
        """The digest of the part maps that `recipe` trains on; empty where it needs none."""
        if recipe.part_text == "none":
            return ""
        return self.confident if recipe.align_pixels == "confidence" else self.maps or ""


def choose_dataset(name: str) -> str:
    """Returns `name` if it is known or a csv file. Raises UserError with the known names and the nearest match."""
    return name if name.lower().endswith(".csv") else choose("data set", name, [*EMBEDDED_SETS, *BENCHMARKS])


def find_config(name: str, world: int = 0) -> "SynthpedConfig":
    """The embedded data set `name` as drawn for `world`; UserError with the known names and the nearest."""
    from pivl.synthped.benchmark import VARIANTS

    return replace(VARIANTS[choose("data set", name, VARIANTS)], seed=world)
