"""Measures throughput from stored runs and stages: training speed on a device, bytes on disk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from harness.store.record_file import Record
from harness.store.records import Results
from pivl.recipe import Recipe, Stage

Key = tuple[Stage, str]
"""A stage and its choices but rates, weights and numbers of epochs: whatever agrees on these is as fast."""


@dataclass(frozen=True)
class Pace:
    """Images per second of training, and the seconds of overhead: loading, texts, scoring."""

    rate: float
    overhead: float

    def seconds(self, images: int) -> float:
        """The duration of a stage over so many images."""
        return images / self.rate + self.overhead


@dataclass
class Throughput:
    """Recorded training speed of stages on one device, and bytes by stage and backbone."""

    paces: dict[Key, list[Pace]] = field(default_factory=dict)
    sizes: dict[tuple[Stage, str], int] = field(default_factory=dict)

    @classmethod
    def read(cls, results: Results, device: str) -> "Throughput":
        """Reads every sound record of a run or stage; speeds come from records of `device`."""
        measured = cls()
        for kind in ("stages", "runs"):
            for folder, record in results.records(kind):
                if record["status"] == "finished" and (recipe := _recipe(record)) is not None:
                    measured._take(record, recipe, _steps(folder), device)
        return measured

    def pace(self, recipe: Recipe, stage: Stage) -> Pace | None:
        """The median training speed of this recipe's stage."""
        found = self.paces.get(_key(recipe, stage))
        if not found:
            return None
        return Pace(median(one.rate for one in found), median(one.overhead for one in found))

    def size(self, recipe: Recipe, stage: Stage) -> int | None:
        """Bytes, the most that this stage left with this backbone."""
        return self.sizes.get((stage, recipe.backbone))

    def _take(self, record: Record, recipe: Recipe, steps: int, device: str) -> None:
        stage, cost = record["stage"], record["cost"]
        size = sum(facts["bytes"] for facts in record["files"].values())
        place = stage, recipe.backbone
        self.sizes[place] = max(size, self.sizes.get(place, 0))
        if record["device"] == device and cost["images_per_second"] > 0:
            training = steps * recipe.batch_size(stage) / cost["images_per_second"]
            overhead = max(0.0, cost["seconds"] - training)
            self.paces.setdefault(_key(recipe, stage), []).append(Pace(cost["images_per_second"], overhead))


def _steps(folder: Path) -> int:
    history = folder / "history.jsonl"
    return history.read_bytes().count(b"\n") if history.exists() else 0


def _recipe(record: Record) -> Recipe | None:
    """The record's recipe; None if another version of the code wrote fields that this one lacks."""
    try:
        return Recipe.from_json(record["recipe"])
    except (TypeError, ValueError):
        return None


def _key(recipe: Recipe, stage: Stage) -> Key:
    choices = {
        name: value
        for name, value in recipe.stage_choices(stage).items()
        if not isinstance(value, float) and not name.endswith("epochs")
    }
    return stage, json.dumps(choices, sort_keys=True)
