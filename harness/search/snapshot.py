"""Presents a search to MLflow: an experiment with one parent run, the search, and a child run per trial.

Every command that reads a search keeps its trials as plain values beside its journal, so that the view can be made
again where the journal is, or is not: with a database elsewhere, or without optuna.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.search.spec import TRIALS, Search
from harness.search.trials import Trial, best
from harness.store.record_file import digest
from harness.store.records import Results
from harness.tracking.view import Content, Point, ShownExperiment, ShownRow, ShownRun, Status, show_result
from pivl.system.files import write_text
from pivl.system.json_files import load_json

SHOWN: dict[str, Status] = {"finished": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
METRIC = "held-out mAP"


@dataclass(frozen=True)
class KeptSearch:
    """A stored search, its trials, and its folder in the results."""

    search: Search
    trials: Sequence[Trial]
    folder: Path

    @property
    def file(self) -> Path:
        """The path of its file."""
        return self.folder / TRIALS

    @property
    def ended(self) -> int:
        """The number of its ended trials."""
        return sum(trial.done for trial in self.trials)


def keep(kept: KeptSearch, results: Results) -> None:
    """Writes the trials beside the journal, unless more of them are over in what another command just wrote."""
    before = kept_search(kept.folder, results)
    if before is not None and before.search == kept.search and before.ended > kept.ended:
        return
    value = {"search": kept.search.to_json(), "trials": [asdict(trial) for trial in kept.trials]}
    plain = json.loads(json.dumps(value, default=datetime.isoformat))
    write_text(kept.file, json.dumps({**plain, "checksum": digest(plain)}, indent=1) + "\n")


def kept_search(folder: Path, results: Results) -> KeptSearch | None:
    """The stored search in `folder`; None if there is none or, with a warning, none that is sound."""
    path = folder / TRIALS
    try:
        value = load_json(path)
        if value.pop("checksum") != digest(value):
            raise ValueError("not as it was written")
        trials = [_trial(one) for one in value["trials"]]
        found = KeptSearch(Search.from_json(value["search"]), trials, folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        results.warn(f"{path} is not as it was written; pivl-bench search show writes it again")
        return None
    if found.search.name != folder.name:
        results.warn(
            f"{path} is of {found.search.name}, swapped or copied here; restore that of {folder.name}"
        )
        return None
    return found


def kept_searches(results: Results) -> list[KeptSearch]:
    """Every search in the results; of one whose file cannot be read a line is said."""
    folders = sorted(path.parent for path in (results.root / "searches").glob(f"*/{TRIALS}"))
    return [kept for folder in folders if (kept := kept_search(folder, results)) is not None]


def kept_precision(name: str, results: Results) -> str | None:
    """The precision of the search `name`, where there is one: it goes on in it, on whatever device."""
    return next(
        (kept.search.run.recipe.precision for kept in kept_searches(results) if kept.search.name == name),
        None,
    )


def show_search(kept: KeptSearch, results: Results) -> ShownExperiment:
    """The experiment of the search."""
    search, trials = kept.search, kept.trials
    winner = best(trials)
    identity = search.identity()
    ranges = {f"space/{name}": " ".join(map(str, one[1].values())) for name, one in identity["space"].items()}
    parent = ShownRow(
        key=search.name,
        name=search.title,
        dataset=(search.run.dataset, search.run.fingerprint),
        params={**ranges, **{name: identity[name] for name in ("data", "seed", "sampler", "pruner")}},
        metrics={} if winner is None or winner.value is None else {_metric(search): winner.value},
        files=[
            path
            for name in ("report.md", "history.png", "slices.png")
            if (path := kept.folder / name).exists()
        ],
        children=[_child(search, trial, results) for trial in trials if trial.done],
    )
    return ShownExperiment(f"search {search.name} on {search.run.dataset}", [parent])


def _child(search: Search, trial: Trial, results: Results) -> ShownRun:
    version = hashlib.sha256(repr(trial).encode()).hexdigest()[:16]
    name = f"trial {trial.number}"
    return ShownRun(
        f"{search.name}/{trial.number}",
        name,
        SHOWN[trial.state],
        version,
        lambda: _content(trial, results),
        trial.run,
    )


def _content(trial: Trial, results: Results) -> Content:
    """The run of a finished trial with its score after each epoch; of others what there is."""
    assert trial.began is not None
    assert trial.ended is not None
    began, ended = (int(time.timestamp() * 1000) for time in (trial.began, trial.ended))
    epochs = [Point(METRIC, value, epoch, began) for epoch, value in sorted(trial.epochs.items())]
    record = None if trial.run is None or trial.value is None else results.find_run(trial.run)
    if record is not None:
        whole = show_result(record, results)
        return replace(whole, points=[*whole.points, *epochs], began=began, ended=ended)
    tags = {"error": trial.error} if trial.error else {}
    return Content(params=trial.setting, tags=tags, points=epochs, began=began, ended=ended)


def _metric(search: Search) -> str:
    return METRIC if search.objective == "mAP" else search.objective


def _trial(value: dict[str, Any]) -> Trial:
    times = {
        name: datetime.fromisoformat(value[name]) if value[name] else None for name in ("began", "ended")
    }
    epochs = {int(epoch): score for epoch, score in value["epochs"].items()}
    return Trial(**{**value, **times, "epochs": epochs})
