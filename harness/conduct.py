"""How a study is conducted: what is asked, what is still to do, doing it, and the table of what is recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from harness import inputs
from harness.choose import choose, choose_all, parse_seeds
from harness.plan import Cell, Plan, lay_out, make_plan
from harness.progress import Progress
from harness.records import Failed, Finished, Results
from studies.catalog import PRESETS, STUDIES
from studies.presets import Preset
from studies.study import Study

if TYPE_CHECKING:
    from harness.tables import Table

Recorded = Mapping[str, Mapping[int, Finished | Failed | None]]
"""What is recorded of each row, by name, at each seed."""


@dataclass(frozen=True)
class Question:
    """A study, or the rows and seeds of it that were asked for, at the size of a preset."""

    study: Study
    preset: Preset
    rows: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def dataset(self) -> str:
        """The name of the data set that answers it."""
        return self.preset.dataset or self.study.dataset

    @property
    def name(self) -> str:
        """`ablation`, or `ablation-smoke` for a preset other than the default."""
        return self.study.name if self.preset.name == "default" else f"{self.study.name}-{self.preset.name}"

    @property
    def shown(self) -> tuple[str, ...]:
        """The rows of its table: those asked for, and the one that they are compared with."""
        return tuple(row.name for row in self.study.rows if row.name in (*self.rows, self.study.reference))

    @property
    def is_whole(self) -> bool:
        """Whether it leaves out no row and no seed of the study: the question whose table is kept as a file."""
        usual = self.preset.seeds or self.study.seeds
        return len(self.rows) == len(self.study.rows) and set(usual) <= set(self.seeds)


@dataclass(frozen=True)
class Options:
    """How runs are done; nothing of it changes a result. `jobs` None: what suits the device."""

    device: str = "auto"
    jobs: int | None = None
    retry_failed: bool = False


def ask(study: str, preset: str, rows: str | None, seeds: str | None) -> Question:
    """A question from what a person typed; UserError for unknown names and for seeds that are none."""
    found = STUDIES[choose("study", study, STUDIES)]
    size = PRESETS[choose("preset", preset, PRESETS)]
    names = [row.name for row in found.rows]
    chosen = names if rows is None else choose_all("row", rows, names)
    return Question(found, size, tuple(chosen), parse_seeds(seeds) if seeds else size.seeds or found.seeds)


def read_answer(question: Question, results: Results, progress: Progress) -> Recorded:
    """What is recorded of the rows of the question's table; the data set is rendered if it is not known yet."""
    fingerprint = inputs.noted_fingerprint(question.dataset, results)
    if fingerprint is None:
        fingerprint = inputs.load(question.dataset, progress).fingerprint
    found: dict[str, dict[int, Finished | Failed | None]] = {}
    for cell in _lay_out(question, question.shown, fingerprint):
        found.setdefault(cell.row, {})[cell.run.seed] = results.read_run(cell.run.id)
    return found


def answer(question: Question, results: Results, progress: Progress, options: Options) -> None:
    """Do what is still to do of the question, and record it."""
    noted = inputs.noted_fingerprint(question.dataset, results)
    plan = None if noted is None else _plan(question, noted, results, options)
    if plan is None or plan.tasks:
        # Into the cache once, before several processes want it; and what a note says is not taken for granted.
        fingerprint = inputs.load(question.dataset, progress).fingerprint
        inputs.note_fingerprint(question.dataset, fingerprint, results)
        plan = _plan(question, fingerprint, results, options)
    progress.note(f"{question.name}: {plan}")
    if plan.tasks:
        from harness.launch import Launcher

        Launcher(plan.tasks, results, options.device, options.jobs, progress).run()


def make_table(question: Question, recorded: Recorded) -> "Table":
    """The table of what is recorded; what is not says so in its place."""
    from harness import tables

    outcomes = {row: {seed: _say(run) for seed, run in seeds.items()} for row, seeds in recorded.items()}
    rows = tuple(row for row in question.study.rows if row.name in question.shown)
    study = replace(question.study, rows=rows)
    return tables.build(study, question.dataset, outcomes, question.preset.warning)


def track(question: Question, recorded: Recorded, table: str, results: Results, progress: Progress) -> None:
    """Bring MLflow up to date; whatever goes wrong there is one line, and no result depends on it."""
    progress.update("MLflow", "bringing it up to date")
    try:
        from harness import tracking

        rows = [
            tracking.TrackedRow(
                row.name, row.title, asdict(replace(row.recipe, **question.preset.changes)), seeds
            )
            for row in question.study.rows
            if (seeds := recorded.get(row.name))
        ]
        added = tracking.sync(f"{question.name} on {question.dataset}", rows, table, results)
        progress.close()
        if added:
            uri = tracking.tracking_uri(results)
            progress.note(
                f"MLflow: {added} runs added; look at them with mlflow ui --backend-store-uri {uri}"
            )
    except Exception as error:
        progress.close()
        reason = str(error).strip().splitlines() or [type(error).__name__]
        progress.warn(
            f"MLflow was not brought up to date ({reason[0]}); the results are recorded all the same"
        )


def _plan(question: Question, fingerprint: str, results: Results, options: Options) -> Plan:
    return make_plan(_lay_out(question, question.rows, fingerprint), results, options.retry_failed)


def _lay_out(question: Question, rows: Sequence[str], fingerprint: str) -> list[Cell]:
    weights = inputs.checkpoint_digest
    return lay_out(question.study, question.preset, rows, question.seeds, fingerprint, weights)


def _say(run: Finished | Failed | None) -> Finished | str:
    """A run that is there, or why it is not, as a table says it after "seed 1 "."""
    if isinstance(run, Finished):
        return run
    return "missing" if run is None else f"failed: {run.error}"
