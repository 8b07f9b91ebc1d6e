"""The trials of a search in Optuna: begun or gone on with in a journal or a database, handed out, read as plain values.

Workers take turns at putting the next trial into Optuna's queue and taking it out again, so that any number of them
do exactly as many as are wanted. A trial whose worker is gone is done again before any other and under the same number.
A database knows by Optuna's heartbeats who is gone; for the journal, to which Optuna gives none, claims tell it.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from harness.search.journal import GuardedJournal
from harness.search.samplers import NUMBER, SamplerByNumber, experimental, make_pruner
from harness.search.spec import Place, Search, check_same
from harness.search.trials import AT_LEAST, FEWEST, LOST, QUANTILE, State, Trial
from harness.store.claims import Claim, Owner
from harness.system.addresses import without_login
from pivl.errors import UserError, explain, first_line
from pivl.system.extras import need
from pivl.system.files import read_bytes

HEARTBEAT = 20  # seconds between those of a trial in a database
GRACE = 90  # seconds without after which it is done again
PATIENCE = 10  # seconds for an address of the database to answer
PAUSE = 0.05  # seconds between looks at whether it is one's turn
ATTEMPTS = 5  # of a trial whose worker dies with it
SEARCH, WORKER, RUN, ERROR = "search", "worker", "run", "error"  # more attributes, of a study or a trial
STATES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}

optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it tells of every trial, the progress tells
logging.getLogger("alembic").setLevel(logging.WARNING)


def begin(search: Search, place: Place) -> optuna.Study:
    """Creates the search or opens it. Raises UserError if another search has its name, or if it cannot be read."""
    with _readable(place):
        with turn(place):
            _cut_half_a_line(place.journal)
            storage = _open(place)
            _check_name(search.name, storage, place)
            study = _load_or_create(search.name, storage)
            if SEARCH not in study.user_attrs:
                study.set_user_attr("optuna", optuna.__version__)
                study.set_user_attr(SEARCH, search.to_json())
        check_same(Search.from_json(study.user_attrs[SEARCH]), search, place)
    return study


def _load_or_create(name: str, storage: BaseStorage) -> optuna.Study:
    if name in optuna.get_all_study_names(storage):
        return optuna.load_study(study_name=name, storage=storage)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def join(search: Search, place: Place) -> optuna.Study:
    """The search that was begun, with its sampler and pruner: for a worker."""
    with _readable(place):
        return optuna.load_study(
            study_name=search.name,
            storage=_open(place),
            sampler=SamplerByNumber(search),
            pruner=make_pruner(search),
        )


def find(name: str, place: Place) -> tuple[Search, optuna.Study] | None:
    """The stored search of that name, or None."""
    if place.url is None and not place.journal.exists():
        return None
    with _readable(place):
        storage = _open(place)
        _check_name(name, storage, place)
        if name not in optuna.get_all_study_names(storage):
            return None
        study = optuna.load_study(study_name=name, storage=storage)
        if SEARCH not in study.user_attrs:  # it is being begun this very moment
            return None
        return Search.from_json(study.user_attrs[SEARCH]), study


def trials(study: optuna.Study) -> list[Trial]:
    """The trials by their numbers; of several attempts at one, the last."""
    found = {trial.user_attrs.get(NUMBER): trial for trial in study.get_trials(deepcopy=False)}
    return [_plain(number, trial) for number, trial in found.items() if number is not None]


def _plain(number: int, trial: FrozenTrial) -> Trial:
    state = STATES[trial.state]
    return Trial(
        number=number,
        state=state,
        setting=dict(trial.params) or dict(trial.system_attrs.get("fixed_params", {})),
        value=trial.value if state == "finished" else None,
        epochs=dict(trial.intermediate_values),
        run=trial.user_attrs.get(RUN),
        began=trial.datetime_start and trial.datetime_start.astimezone(),
        ended=trial.datetime_complete and trial.datetime_complete.astimezone(),
        error=trial.user_attrs.get(ERROR, LOST) if state == "failed" else None,
    )


def importance(study: optuna.Study) -> dict[str, float]:
    """The share of each parameter in what makes a setting good, by PED-ANOVA; empty where too few trials tell it."""
    from optuna.importance import PedAnovaImportanceEvaluator  # here, since it loads scikit-learn

    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < FEWEST:
        return {}
    with experimental():
        evaluator = PedAnovaImportanceEvaluator(target_quantile=max(QUANTILE, AT_LEAST / len(values)))
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def offer(study: optuna.Study, search: Search, number: int) -> None:
    """Enqueues trial `number`; the first has the default settings."""
    study.enqueue_trial(dict(search.defaults) if number == 0 else {}, {NUMBER: number})


def again(study: optuna.Study, trial: FrozenTrial, attempts: int | None = None) -> None:
    """Requeues a trial that was interrupted; after `attempts`, it fails."""
    _retry(attempts)(study, trial)


def take_over(study: optuna.Study, place: Place) -> None:
    """Requeues the trials of dead workers; call it within `turn`."""
    if place.url is not None:
        with experimental():
            optuna.storages.fail_stale_trials(study)
        return
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)  # None: it died before it could say who it was
        if worker is None or place.claims.owner(worker) is None:
            study.tell(trial.number, state=TrialState.FAIL)
            again(study, trial, ATTEMPTS)


@contextmanager
def turn(place: Place) -> Iterator[None]:
    """Locks the search for one worker at a time."""
    while isinstance(claim := place.claims.take("turn"), Owner):
        time.sleep(PAUSE)
    with claim:
        yield


@contextmanager
def alive(place: Place) -> Iterator[str]:
    """The name of a worker that counts as alive within the block, and as dead once its process ends."""
    name = f"worker-{uuid.uuid4().hex}"
    claim = place.claims.take(name)
    assert isinstance(claim, Claim)
    with claim:
        yield name


def _retry(attempts: int | None) -> RetryHeartbeatStaleTrialCallback:
    with experimental():
        return RetryHeartbeatStaleTrialCallback(attempts, inherit_intermediate_values=True)


def _open(place: Place) -> BaseStorage:
    place.folder.mkdir(parents=True, exist_ok=True)
    if place.url is None:
        return JournalStorage(GuardedJournal(place.journal))
    need("psycopg", "postgresql", "--storage")
    with experimental():
        return RDBStorage(
            place.url.replace("postgresql://", "postgresql+psycopg://", 1),
            engine_kwargs={
                "poolclass": NullPool,  # no connection stays open through the hours of a trial
                "connect_args": {} if "connect_timeout" in place.url else {"connect_timeout": PATIENCE},
            },
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=_retry(ATTEMPTS),
        )


def _check_name(name: str, storage: BaseStorage, place: Place) -> None:
    """Raises UserError if the journal belongs to another search; a database may hold several."""
    others = optuna.get_all_study_names(storage)
    if place.url is None and others and name not in others:
        raise UserError(f"{place.journal} is of {others[0]}, swapped or copied here; restore that of {name}")


def _cut_half_a_line(journal: Path) -> None:
    """Cuts the half-written last entry of a full disk, to which the next would be appended."""
    content = read_bytes(journal) if journal.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(journal, whole)


@contextmanager
def _readable(place: Place) -> Iterator[None]:
    """Turns what a damaged journal, or a database that is not there, makes of Optuna into one line."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"cannot write {place.folder}: {explain(error)}; free space or name another folder with --results"
        ) from error
    except Exception as error:
        reason = first_line(error)
        if place.url is not None:
            told = without_login(reason, place.url)
            raise UserError(f"--storage: the database gives an unexpected answer: {told}") from error
        raise UserError(
            f"{place.journal} cannot be read ({reason}); restore it from a copy, or remove its folder to start again"
        ) from error
