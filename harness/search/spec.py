"""A search: a space around one recipe, on held-out training identities, with one seed.

Nothing here needs optuna. The test people play no part: the run that a search varies is one on the held-out split.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.inputs.spec import Inputs
from harness.plan.task import Cell
from harness.store.claims import Claims
from harness.store.record_file import Record
from harness.store.run import Run
from pivl.errors import UserError
from studies.searches import Choice, Float, Objective

SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {
        "n_startup_trials": 10,
        "n_ei_candidates": 24,
        "multivariate": True,
        "group": False,
        "constant_liar": True,
    },
    "random": {},
}
"""Options of Optuna's samplers, all of them said: its defaults change, and with them the trials."""

PRUNERS: Mapping[str, Mapping[str, Any]] = {
    "median": {"n_startup_trials": 5, "interval_steps": 1, "n_min_trials": 1},
    "hyperband": {"min_resource": 1, "reduction_factor": 3, "bootstrap_count": 0},
    "none": {},
}
"""The same of its pruners, but for what depends on the number of epochs (`Search.pruner_options`)."""

Setting = Mapping[str, Any]
"""From recipe fields to values."""


@dataclass(frozen=True)
class Search:
    """A search varies `parameters` in the recipe of `run`, on the data and weights of `inputs`.

    The seed of `run` is that of the search: of the people held out, of the sampler and of every training. `rule`: the
    rule of pivl.data.holdout by which they were drawn.
    """

    name: str
    space: str
    title: str
    parameters: Mapping[str, Float | Choice]
    run: Run
    inputs: Inputs
    sampler: str
    pruner: str
    rule: int = 1
    objective: Objective = "mAP"

    def __post_init__(self) -> None:
        if self.inputs.held_out != self.run.seed:
            raise ValueError(
                "a search holds out identities by its own seed; it never sees the test identities"
            )

    @property
    def defaults(self) -> Setting:
        """The default settings."""
        return {name: getattr(self.run.recipe, name) for name in self.parameters}

    @property
    def measure(self) -> str:
        """The quantity that its trials maximise, in words."""
        return "mAP of held-out identities, %" if self.objective == "mAP" else "skill of alignment, %"

    @property
    def pruner_options(self) -> dict[str, Any]:
        """The options of its pruner; the median judges no trial in the first quarter of its epochs."""
        epochs = self.run.recipe.epochs
        own = {"median": {"n_warmup_steps": max(2, epochs // 4)}, "hyperband": {"max_resource": epochs}}
        return {**PRUNERS[self.pruner], **own.get(self.pruner, {})}

    def cell(self, setting: Setting) -> Cell:
        """The run of the recipe with `setting`."""
        run = replace(self.run, recipe=replace(self.run.recipe, **setting))
        return Cell(self.space, self.space, run, self.inputs)

    def value(self, record: Record) -> float:
        """Returns the quantity that a finished trial is judged by, in percent, from its record."""
        if self.objective == "mAP":
            return float(record["metrics"]["mAP"])
        return 100 * float(record["health"]["skill"])

    def identity(self) -> dict[str, Any]:
        """The values that decide its trials, as JSON; a search that continues must have the same."""
        kinds = {name: [type(one).__name__, asdict(one)] for name, one in self.parameters.items()}
        run = self.run
        return {
            "space": kinds,
            "recipe": run.recipe.choices(),
            "data": " ".join(filter(None, (run.dataset, run.fingerprint, run.maps))),
            "weights": run.weights,
            "seed": run.seed,
            "sampler": {self.sampler: dict(SAMPLERS[self.sampler])},
            "pruner": {self.pruner: self.pruner_options},
            **({"objective": self.objective} if self.objective != "mAP" else {}),
        }

    def to_json(self) -> dict[str, Any]:
        """The search as JSON values, for `from_json`."""
        return {**asdict(self), "parameters": self.identity()["space"]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Search":
        """A search from `to_json`, in another process."""
        parameters = {
            name: Float(**fields) if kind == "Float" else Choice(tuple(fields["values"]))
            for name, (kind, fields) in value["parameters"].items()
        }
        run, inputs = Run.from_json(value["run"]), Inputs(**value["inputs"])
        return cls(**{**value, "parameters": parameters, "run": run, "inputs": inputs})


JOURNAL, TRIALS = "journal.log", "trials.json"  # in the folder of a search: Optuna's, and what is kept of it


@dataclass(frozen=True)
class Place:
    """The storage of a search's trials: its folder, or a database at `url`."""

    folder: Path
    url: str | None = None

    @property
    def journal(self) -> Path:
        """Optuna's journal, where no database is named."""
        return self.folder / JOURNAL

    @property
    def claims(self) -> Claims:
        """The claims of live workers and of the turn."""
        return Claims(self.folder / "claims")


def check_same(begun: Search, search: Search, place: Place) -> None:
    """Raises UserError if the search that was `begun` in `place` is not this one."""
    where = "that database" if place.url else place.folder
    if begun.rule != search.rule:
        raise UserError(
            f"{search.name} was started in {where} when identities were held out one by one, beside look-alikes in "
            "training; now whole families are held out. Start a new search: --results FOLDER"
        )
    before = begun.identity()
    for what, wanted in search.identity().items():
        if before.get(what) != wanted:
            had, asked = before.get(what), wanted
            if isinstance(had, dict) and isinstance(wanted, dict):
                had, asked = (
                    {k: v for k, v in one.items() if other.get(k) != v}
                    for one, other in ((before[what], wanted), (wanted, before[what]))
                )
            raise UserError(
                f"{search.name} was started in {where} with {what} {had}, not {asked}; continue with that, or start "
                "another with --results"
            )


def begun_in(results: Path) -> list[str]:
    """The names of the searches that have a folder in the results."""
    return sorted(
        {path.parent.name for name in (JOURNAL, TRIALS) for path in results.glob(f"searches/*/{name}")}
    )
