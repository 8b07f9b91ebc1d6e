"""Checks a stored search for agreement: journal or database, trials.json, and the records of its runs.

Any of them may have been damaged, cut, or put back from elsewhere; what contradicts is said before a number is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.search.snapshot import KeptSearch, kept_search
from harness.search.spec import Place, Search
from harness.search.trials import LOST, Trial
from harness.store.records import Results
from pivl.errors import UserError
from pivl.system.extras import need

AGAIN = "trials that are recorded are not trained again"


def check_trials(search: Search, trials: Sequence[Trial], place: Place, results: Results) -> None:
    """Raises UserError, naming the file, where the trials that were read in `place` are not as they came out."""
    for line in disagreements(search, trials, place, results):
        if place.url:
            raise UserError(f"that database: {line}; begin another search with --results: {AGAIN}")
        raise UserError(
            f"{place.journal}: {line}; restore it from a copy, or delete {place.folder} and search again: {AGAIN}"
        )


def disagreements(search: Search, trials: Sequence[Trial], place: Place, results: Results) -> Iterator[str]:
    """A line for each trial that contradicts its run's id, its record, or the stored snapshot of the search."""
    yield from contradictions(search, trials, results)
    if (kept := kept_search(place.folder, results)) is not None:
        yield from losses(kept, search, trials)


def contradictions(search: Search, trials: Sequence[Trial], results: Results) -> Iterator[str]:
    """A line for each trial whose setting is not that of its run, or whose value is not that of its record."""
    for trial in trials:
        if trial.run is None:
            continue
        if _run_of(search, trial) != trial.run:
            yield f"trial {trial.number} has another setting than its run {trial.run}"
        elif trial.value is not None:
            record = results.find_run(trial.run)
            if record is None or record["status"] != "finished":
                continue
            if (recorded := search.value(record)) != trial.value:
                yield f"trial {trial.number} has {search.objective} {trial.value} and its record {recorded}"


def losses(kept: KeptSearch, search: Search, trials: Sequence[Trial]) -> Iterator[str]:
    """A line for each trial that was over when the search was kept, and now is gone or another."""
    if kept.search.identity() != search.identity():
        yield f"it is of another search than {kept.file.name} beside it"
        return
    found = {trial.number: trial for trial in trials}
    for before in kept.trials:
        now = found.get(before.number)
        if not before.done or before.error == LOST:  # its worker died; another takes it over
            continue
        if now is None:
            yield f"it lacks trial {before.number} of {kept.file.name} beside it"
        elif _outcome(now) != _outcome(before):
            yield f"trial {before.number} is another than in {kept.file.name} beside it"


def _run_of(search: Search, trial: Trial) -> str | None:
    """The id that a run of the trial's setting has; None where no run can have it."""
    try:
        return search.cell({name: trial.setting[name] for name in search.parameters}).run.id
    except (KeyError, TypeError, ValueError):
        return None


def _outcome(trial: Trial) -> tuple[object, ...]:
    """A trial as values to compare, without times, which depend on clocks and zones."""
    return trial.state, dict(trial.setting), trial.value, dict(trial.epochs), trial.run, trial.error


def examine_search(folder: Path, results: Results) -> list[str]:
    """The faults of the search in a results folder, a line each; a remote database is not read."""
    place, said = Place(folder), list[str]()
    listened = Results(results.root, said.append)
    kept = kept_search(folder, listened)
    try:
        need("optuna", "search", f"checking {folder}")
        from harness.search import storage

        found = storage.find(folder.name, place)
    except UserError as error:
        return [*said, str(error)]
    if found is not None:
        said += [
            f"{place.journal}: {line}"
            for line in disagreements(found[0], storage.trials(found[1]), place, results)
        ]
    elif kept is not None:
        said += [f"{kept.file}: {line}" for line in contradictions(kept.search, kept.trials, results)]
    return said
