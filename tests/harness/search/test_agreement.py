"""What is kept of a search is never believed where it was changed: journal, trials.json and records hold each other."""

import os
import re
from dataclasses import replace

import pytest

from harness.display.progress import Progress
from harness.search import storage
from harness.search.agreement import check_trials, disagreements, examine_search
from harness.search.journal import SUM
from harness.search.loop import work
from harness.search.snapshot import KeptSearch, keep, kept_search
from harness.search.spec import Place
from harness.store.integrity import examine
from harness.store.records import Results
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.recorded_runs import complain
from tests.support.searches import Arithmetic, do, facts, search_of


class Recorded(Arithmetic):
    """Arithmetic whose trials say of which run they are, as those of a search do."""

    def __call__(self, trial):
        value = super().__call__(trial)
        trial.set_user_attr(storage.RUN, self.search.cell(dict(trial.params)).run.id)
        return value


def search_in(root, total=6, name="mine"):
    """A search of so many trials, kept as `search NAME` leaves it, with runs that were not recorded; its place."""
    place = Place(root / "searches" / name)
    search = replace(search_of(pruner="none"), name=name)
    storage.begin(search, place)
    study = storage.join(search, place)
    with storage.alive(place) as worker:
        work(study, search, place, total, Recorded(search, worker))
    keep(KeptSearch(search, storage.trials(study), place.folder), Results(root, complain))
    return place


def look(place, results, name="mine"):
    """What every command does before it says a number of the search: its facts."""
    found = storage.find(name, place)
    assert found is not None
    check_trials(found[0], storage.trials(found[1]), place, results)
    return facts(found[1])


def without_sums(journal):
    """The journal as earlier versions wrote it."""
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(SUM.sub(b"}\n", line) for line in lines))


@pytest.mark.parametrize("earlier", [False, True], ids=["with sums", "of an earlier version"])
def test_a_changed_digit_of_a_parameter_is_found_each_time(tmp_path, earlier):
    """Each digit of a parameter in turn, well-formed as it is: none may become the setting that `show` prints."""
    results = Results(tmp_path, complain)
    place = search_in(tmp_path)
    if earlier:
        without_sums(place.journal)
    whole = place.journal.read_bytes()
    before = look(place, results)
    places = [found.start(1) for found in re.finditer(rb'"param_value_internal":\d\.\d*?(\d)', whole)]
    assert len(places) >= 12
    for at in places:
        changed = bytearray(whole)
        changed[at] = ord(str((int(chr(whole[at])) + 1) % 10))
        place.journal.write_bytes(changed)
        with pytest.raises(UserError, match=r"journal.log.*(restore it from a copy)") as refused:
            look(place, results)
        assert "\n" not in str(refused.value)
        assert examine_search(place.folder, results) != []
    place.journal.write_bytes(whole)
    assert look(place, results) == before
    assert examine_search(place.folder, results) == []


@pytest.mark.parametrize("earlier", [False, True], ids=["with sums", "of an earlier version"])
def test_a_cut_of_the_journal_is_found_and_what_was_kept_stays(tmp_path, earlier):
    results = Results(tmp_path, complain)
    place = search_in(tmp_path)
    if earlier:
        without_sums(place.journal)
    kept = (place.folder / "trials.json").read_bytes()
    lines = place.journal.read_bytes().splitlines(keepends=True)
    for left in range(6, len(lines)):
        place.journal.write_bytes(b"".join(lines[:left]))
        trials = storage.trials(storage.find("mine", place)[1])
        if sum(trial.done for trial in trials) < 6:
            with pytest.raises(
                UserError, match=r"it lacks trial \d of trials.json beside it|is another than in"
            ):
                look(place, results)
        else:
            look(place, results)
    place.journal.unlink()
    with pytest.raises(UserError, match=r"it lacks trial 0 of trials\.json"):
        check_trials(search_of(pruner="none"), [], place, results)
    assert (place.folder / "trials.json").read_bytes() == kept


def test_what_was_kept_is_not_overwritten_by_fewer_trials(tmp_path):
    results = Results(tmp_path, complain)
    place = search_in(tmp_path)
    kept = kept_search(place.folder, results)
    before = kept.file.read_bytes()
    keep(replace(kept, trials=kept.trials[:3]), results)
    assert kept.file.read_bytes() == before
    (place.folder / "trials.json").write_text("{}")
    keep(replace(kept, trials=kept.trials[:3]), Results(tmp_path, lambda text: None))
    assert len(kept_search(place.folder, results).trials) == 3


def test_a_journal_of_an_earlier_version_goes_on_and_is_guarded_from_then_on(tmp_path):
    results = Results(tmp_path, complain)
    place = search_in(tmp_path, total=3)
    without_sums(place.journal)
    old = place.journal.read_bytes()
    before = look(place, results)
    do(place, 5, search_of(pruner="none"))
    whole = place.journal.read_bytes()
    assert whole.startswith(old)
    assert look(place, results)[:3] == before
    changed = bytearray(whole)
    changed[old.index(b"param_value_internal") + 24] ^= 1
    place.journal.write_bytes(changed)
    with pytest.raises(UserError, match="is not as it was written"):
        storage.find("mine", place)


def test_searches_put_back_under_each_others_names_are_said(tmp_path):
    places = [search_in(tmp_path, 2, name) for name in ("mine", "other")]
    places[0].folder.rename(tmp_path / "aside")
    places[1].folder.rename(places[0].folder)
    (tmp_path / "aside").rename(places[1].folder)
    kept = [(place.folder / "trials.json").read_bytes() for place in places]
    for place, name, here in zip(places, ("mine", "other"), ("other", "mine"), strict=True):
        said = []
        assert kept_search(place.folder, Results(tmp_path, said.append)) is None
        assert f"trials.json is of {here}, swapped or copied here" in said[0]
        for use in (
            lambda name=name, place=place: storage.find(name, place),
            lambda name=name, place=place: storage.begin(replace(search_of(pruner="none"), name=name), place),
        ):
            with pytest.raises(UserError, match=f"journal.log is of {here}, swapped or copied here; restore"):
                use()
    problems = examine(tmp_path, Progress.on_stderr(quiet=True), examine_search).problems
    assert len(problems) == 4
    assert [(place.folder / "trials.json").read_bytes() for place in places] == kept


def test_a_setting_that_is_not_that_of_its_run_is_found_without_a_journal(tmp_path):
    results = Results(tmp_path, complain)
    place = search_in(tmp_path)
    kept = kept_search(place.folder, results)
    wrong = replace(kept.trials[2], setting={**kept.trials[2].setting, "align_weight": 0.5})
    trials = [*kept.trials[:2], wrong, *kept.trials[3:]]
    assert list(disagreements(kept.search, trials, place, results)) == [
        f"trial 2 has another setting than its run {wrong.run}",
        "trial 2 is another than in trials.json beside it",
    ]
    kept.file.unlink()
    keep(replace(kept, trials=trials), results)
    place.journal.unlink()
    assert examine_search(place.folder, results) == [
        f"{kept.file}: trial 2 has another setting than its run {wrong.run}"
    ]


@COUNTS
@pytest.mark.parametrize("earlier", [False, True], ids=["with sums", "of an earlier version"])
def test_damaged_journals_are_one_line_or_right(tmp_path, count, earlier):
    results = Results(tmp_path, complain)
    place = search_in(tmp_path)
    if earlier:
        without_sums(place.journal)
    before = look(place, results)

    def read(path):
        found = storage.find("mine", place)
        if found is None:
            raise UserError("journal.log: no search was started in it")
        check_trials(found[0], storage.trials(found[1]), place, results)
        assert facts(found[1]) == before

    check_reader(place.journal, place.journal.read_bytes(), read, count)


@COUNTS
def test_a_damaged_file_of_trials_is_one_line_or_right(tmp_path, count):
    place = search_in(tmp_path)
    kept = kept_search(place.folder, Results(tmp_path, complain))

    def read(path):
        said = []
        found = kept_search(place.folder, Results(tmp_path, said.append))
        assert found in (None, kept)
        if said:
            raise UserError(said[0])

    check_reader(kept.file, kept.file.read_bytes(), read, count)


@pytest.mark.parametrize("name", ["journal.log", "trials.json"])
@pytest.mark.parametrize("make", ["fifo", "folder"])
def test_what_is_no_file_is_one_line(tmp_path, name, make):
    results = Results(tmp_path, lambda text: None)
    place = search_in(tmp_path, 2)
    (place.folder / name).unlink()
    {"fifo": os.mkfifo, "folder": os.mkdir}[make](place.folder / name)
    (said,) = examine_search(place.folder, results)
    assert name in said
    assert "\n" not in said
