"""What a person types about a search: names that are known, mistakes of one line, the table of a confirmation."""

from dataclasses import replace

import pytest

from harness.experiment.request import Request
from harness.search import storage
from harness.search.loop import work
from harness.search.session import ask_confirmation, ask_search
from harness.search.space import around
from harness.search.spec import Search
from harness.store.records import Results
from harness.store.run import Run
from pivl.errors import UserError
from studies.catalog import STUDIES
from tests.support.commands import run_main
from tests.support.recorded_runs import complain
from tests.support.searches import Arithmetic


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["search", "los-weights"], "fusion-skill; did you mean 'loss-weights'?"),
        (["search", "show", "weights"], "unknown search 'weights'; known: loss-weights"),
        (["search", "confirm", "rates"], "rates was not started in"),
        (["search", "show"], "Missing argument 'NAME'"),
        (["search", "rates", "--sampler", "cmaes"], "unknown sampler 'cmaes'; known: tpe, random"),
        (["search", "rates", "--pruner", "medium"], "did you mean 'median'?"),
        (["search", "rates", "--trials", "0"], "0 is not in the range x>=1"),
        (["search", "rates", "--storage", "mysql://u:secret@h/d"], "--storage mysql: only postgresql://"),
        (["search", "rates", "--storage", "u:secret@h/d"], "--storage ***@h/d: only postgresql://"),
        (["search", "rates", "--set", "rate=1"], "--set rate: it is what rates varies; leave it out"),
        (["search", "rates", "--preset", "smoky"], "known: default, long, smoke"),
        (["search", "loss-weights", "--results", "/dev/null/results"], "cannot write /dev/null/results"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do_and_status_2(typed, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_main(*typed) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert "secret" not in told.err
    assert told.out == ""


def test_list_names_what_there_is_and_what_was_begun(capsys, tmp_path):
    (tmp_path / "searches" / "rates-smoke").mkdir(parents=True)
    (tmp_path / "searches" / "rates-smoke" / "journal.log").touch()
    assert run_main("search", "list", "--results", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert (
        "loss-weights: Loss weights and dense temperature of PI-VL\n    varies align_weight, identity_weight"
        in out
    )
    assert out.endswith(f"started in {tmp_path}: rates-smoke\n")


@pytest.fixture
def begun(tmp_path):
    """loss-weights as it is typed, 6 trials of it by arithmetic, and where they are kept."""
    topic, results = ask_search(Request("loss-weights")), Results(tmp_path, complain)
    recipe = topic.experiment.recipe(topic.space.base)
    run = Run(recipe, "synthped-held-out", "0" * 12, "f" * 64, 0)
    inputs = replace(topic.experiment.inputs, held_out=0)
    space = topic.space
    search = Search(topic.name, space.name, space.title, around(space, recipe), run, inputs, "tpe", "none")
    place = topic.place(results)
    storage.begin(search, place)
    study = storage.join(search, place)
    with storage.alive(place) as worker:
        work(study, search, place, 6, Arithmetic(search, worker))
    return topic, results, storage.trials(study)


def test_a_confirmation_asks_of_the_test_people_what_the_best_setting_is_worth(begun):
    topic, results, trials = begun
    best = max(trials, key=lambda trial: trial.value)
    experiment = ask_confirmation(topic, results)
    assert experiment.name == "confirm-loss-weights"
    assert experiment.seeds == STUDIES["ablation"].seeds  # as many as a table has
    assert experiment.inputs.held_out is None  # the test people, and all training people to train on
    usual, tuned = (experiment.recipe(row) for row in experiment.study.rows)
    assert usual == topic.experiment.recipe(topic.space.base)
    assert tuned == replace(usual, **best.setting)
    assert f"the best of 6 trials, number {best.number}, by mAP {best.value:.1f}" in experiment.study.caption
    assert ask_confirmation(replace(topic, asked=replace(topic.asked, seeds="1,7")), results).seeds == (1, 7)


def test_another_recipe_than_that_of_the_search_is_not_confirmed(begun):
    _, results, _ = begun
    with pytest.raises(
        UserError, match="loss-weights was started with another recipe; name the same options"
    ):
        ask_confirmation(ask_search(Request("loss-weights", overrides=("epochs=9",))), results)


def test_the_recipe_as_it_is_needs_no_confirmation(begun, monkeypatch):
    topic, results, trials = begun
    monkeypatch.setattr(storage, "trials", lambda _: trials[:1])
    assert ask_confirmation(topic, results) is None
    monkeypatch.setattr(storage, "trials", lambda _: [replace(trials[0], state="failed", value=None)])
    with pytest.raises(UserError, match="no trial has finished"):
        ask_confirmation(topic, results)
