"""A search in Optuna, with an objective that is arithmetic: what is asked for is done, once, and to the end."""

import json
import subprocess
import sys
from dataclasses import replace

import optuna
import pytest

from harness.inputs.spec import Inputs
from harness.search import storage as ledger
from harness.search.loop import TrialFailed, work
from harness.search.spec import Place, Search
from harness.search.trials import best
from pivl.errors import UserError
from studies.searches import Float
from tests.support.searches import Arithmetic, do, facts, search_of


def test_all_trials_are_done_and_the_first_is_the_recipe_as_it_is(tmp_path):
    study = do(Place(tmp_path), 14)
    trials = ledger.trials(study)
    assert [trial.number for trial in trials] == list(range(14))
    assert {trial.state for trial in trials} == {"finished", "pruned"}
    assert trials[0].setting == dict(search_of().defaults)
    for trial in trials:
        assert all(0.05 <= trial.setting["triplet_weight"] <= 2 for trial in trials)
        if trial.state == "finished":
            assert trial.epochs[8] == trial.value
            assert trial.value <= best(trials).value
        else:
            assert trial.value is None
            assert 2 <= max(trial.epochs) < 8  # none in the first quarter of the epochs


@pytest.mark.parametrize(("sampler", "pruner"), [("tpe", "median"), ("tpe", "hyperband"), ("random", "none")])
def test_one_worker_and_one_seed_give_the_same_trials_twice(tmp_path, sampler, pruner):
    search = search_of(sampler=sampler, pruner=pruner)
    one, two = (do(Place(tmp_path / name), 16, search) for name in ("a", "b"))
    assert facts(one) == facts(two)
    other = do(Place(tmp_path / "c"), 16, search_of(seed=1, sampler=sampler, pruner=pruner))
    assert facts(other)[1][2] != facts(one)[1][2]


def test_tpe_looks_for_what_is_good(tmp_path):
    """By its last trials it is nearer to the optimum than drawing at random is on average."""
    trials = ledger.trials(do(Place(tmp_path), 40, search_of(pruner="none")))
    late = [abs(trial.setting["triplet_weight"] - 1) for trial in trials[25:]]
    assert sum(late) / len(late) < 0.35  # drawn evenly from [0.05, 2] it is 0.49


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path):
    undisturbed = facts(do(Place(tmp_path / "a"), 14))
    place, interrupted = Place(tmp_path / "b"), []

    def interrupt(number):
        if number in (3, 12) and number not in interrupted:
            interrupted.append(number)
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            do(place, 14, on=interrupt)
    assert facts(do(place, 14, on=interrupt)) == undisturbed
    assert interrupted == [3, 12]


def test_more_trials_may_be_asked_for_later_and_none_is_done_twice(tmp_path):
    place, begun = Place(tmp_path), []
    do(place, 3, on=begun.append)
    before = facts(do(place, 3, on=begun.append))
    after = facts(do(place, 6, on=begun.append))
    assert begun == list(range(6))
    assert after[:3] == before
    do(place, 2, on=begun.append)
    assert begun == list(range(6))


def test_a_failed_trial_counts_and_the_search_goes_on(tmp_path):
    def fail(number):
        if number == 1:
            study.get_trials()
            raise TrialFailed("the loss is not finite")

    search, place = search_of(), Place(tmp_path)
    ledger.begin(search, place)
    study = ledger.join(search, place)
    work(study, search, place, 4, Arithmetic(search, on=fail))
    assert [trial.state for trial in ledger.trials(study)] == ["finished", "failed", "finished", "finished"]


def test_two_workers_do_each_trial_once(tmp_path):
    code = "import sys; from tests.support.searches import do, place_at; do(place_at(sys.argv[1]), 12)"
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    _, study = ledger.find("mine", Place(tmp_path))
    trials = ledger.trials(study)
    assert [trial.number for trial in trials] == list(range(12))
    assert all(trial.done for trial in trials)
    assert len({trial.began for trial in trials}) == 12


def test_the_trial_of_a_killed_worker_is_done_again_with_its_setting(tmp_path):
    place = Place(tmp_path)
    ledger.begin(search_of(), place)
    code = """
import sys, time
from harness.search import storage as ledger
from harness.search.loop import work
from tests.support.searches import Arithmetic, place_at, search_of
place = place_at(sys.argv[1])
def stop(number):
    if number == 1:
        print("at it", flush=True)
        time.sleep(60)
with ledger.alive(place) as worker:
    work(ledger.join(search_of(), place), search_of(), place, 3, Arithmetic(search_of(), worker, stop))
"""
    worker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert worker.stdout.readline() == b"at it\n"
    study = ledger.join(search_of(), place)
    ledger.take_over(study, place)
    assert [trial.state for trial in ledger.trials(study)] == ["finished", "running"]
    setting = ledger.trials(study)[1].setting
    worker.kill()
    worker.wait()
    worker.stdout.close()
    ledger.take_over(study, place)
    assert [trial.state for trial in ledger.trials(study)] == ["finished", "waiting"]
    work(study, search_of(), place, 3, Arithmetic(search_of()))
    again = ledger.trials(study)
    assert [trial.state for trial in again] == ["finished"] * 3
    assert again[1].setting == setting
    assert facts(study) == facts(do(Place(tmp_path / "undisturbed"), 3))


def test_a_trial_that_kills_every_worker_fails_in_the_end(tmp_path):
    search, place = search_of(), Place(tmp_path)
    ledger.begin(search, place)
    study = ledger.join(search, place)
    ledger.offer(study, search, 0)
    for _ in range(ledger.ATTEMPTS + 1):
        trial = study.ask()
        trial.set_user_attr(ledger.WORKER, "gone")
        ledger.take_over(study, place)
    (trial,) = ledger.trials(study)
    assert (trial.state, trial.error) == ("failed", "its process was lost")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (search_of(seed=1), "seed 0, not 1"),
        (search_of(sampler="random"), "sampler {'tpe'"),
        (search_of(epochs=9), r"recipe {'epochs': 8}, not {'epochs': 9}"),
        (replace(search_of(), parameters={"align_weight": Float(0, 1)}), "space {"),
        (
            replace(search_of(), run=replace(search_of().run, fingerprint="1" * 12)),
            "data drawn 000000000000, not",
        ),
    ],
)
def test_a_name_that_is_taken_by_another_search_is_said(tmp_path, other, said):
    place = Place(tmp_path)
    ledger.begin(search_of(), place)
    before = place.journal.read_bytes()
    with pytest.raises(UserError, match=f"mine was started in .* with .*{said}.*--results"):
        ledger.begin(other, place)
    assert place.journal.read_bytes() == before


def test_a_damaged_journal_is_one_line_and_left_as_it_is(tmp_path):
    place = Place(tmp_path)
    do(place, 2)
    whole = place.journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damaged in (
        b"no journal\n" * 3,
        b"".join([*lines[:3], lines[3][:9] + b"\n", *lines[4:]]),
        b"[]\n" + whole,
        b'{"op_code": 99}\n' * 2,
    ):
        place.journal.write_bytes(damaged)
        for use in (lambda: ledger.begin(search_of(), place), lambda: ledger.find("mine", place)):
            with pytest.raises(
                UserError, match=r"journal.log cannot be read \(.*\); restore it from a copy, or remove"
            ):
                use()
        assert place.journal.read_bytes() == damaged


def test_what_a_full_disk_left_of_the_last_entry_is_cut_off(tmp_path):
    place = Place(tmp_path)
    before = facts(do(place, 2))
    whole = place.journal.read_bytes()
    place.journal.write_bytes(whole + b'{"op_code":4,"worker_id":')
    assert facts(ledger.find("mine", place)[1]) == before
    ledger.begin(search_of(), place)
    assert place.journal.read_bytes() == whole
    assert facts(do(place, 3))[:2] == before


def test_a_search_that_is_just_being_begun_is_not_there_yet(tmp_path):
    place = Place(tmp_path)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(place.journal)))
    optuna.create_study(storage=storage, study_name="mine", direction="maximize")
    assert ledger.find("mine", place) is None
    ledger.begin(search_of(), place)
    assert ledger.find("mine", place)[0] == search_of()


def test_importance_tells_what_matters_from_what_does_not(tmp_path):
    study = do(Place(tmp_path), 40, search_of(sampler="random", pruner="none"))
    found = ledger.importance(study)
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=found.get) == "triplet_weight"
    assert found["background"] < 0.2
    assert ledger.importance(do(Place(tmp_path / "few"), 5)) == {}


def test_a_search_never_sees_the_test_people():
    with pytest.raises(ValueError, match="never sees the test identities"):
        replace(search_of(), inputs=Inputs("synthped"))


def test_a_search_comes_back_from_json():
    search = replace(search_of(seed=3), rule=2)
    assert Search.from_json(json.loads(json.dumps(search.to_json()))) == search


def test_a_search_of_people_held_out_with_look_alikes_left_is_not_gone_on_with(tmp_path):
    """Earlier versions wrote no rule: theirs drew people one by one. It is read all the same."""
    before, now = search_of(), replace(search_of(), rule=2)
    written = before.to_json()
    assert written.pop("rule") == 1
    assert Search.from_json(json.loads(json.dumps(written))) == before
    ledger.begin(before, Place(tmp_path))
    with pytest.raises(
        UserError, match=r"mine was started in .* one by one, .* whole families .*: --results FOLDER$"
    ):
        ledger.begin(now, Place(tmp_path))
    found = ledger.find("mine", Place(tmp_path))
    assert found is not None
    assert found[0] == before
