"""People held out of a training set: who, how many, whom the rest is trained on, and that the test people are sealed."""

from dataclasses import fields, replace

import pytest
import torch

from harness.execution.task_runner import execute
from harness.inputs import loading, spec
from harness.plan.task import Task
from harness.store.records import Results
from pivl.data.holdout import (
    FAMILIES,
    PEOPLE,
    TestSplitTouched,
    held_out_fingerprint,
    hold_out,
    rule_of,
    seal,
)
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.errors import UserError
from pivl.evaluation.assessment import assess
from pivl.synthped import benchmark
from pivl.system.random_streams import torch_stream
from tests.support.recorded_runs import complain, draw_run
from tests.support.tiny_models import PI_VL, tiny_pictures, tiny_split, tiny_trainer, train


def split_of(people: int, each: int = 4) -> Split:
    test = tiny_pictures(6, 3, seed=2)
    return Split("tiny", tiny_pictures(people, each, seed=1), test, test, LIP, "0123456789ab")


def people_in(names):
    return {name.split("_")[0] for name in names}


@pytest.mark.parametrize(("people", "count"), [(30, 20), (133, 20), (152, 23), (200, 30), (751, 113)])
def test_fifteen_percent_and_at_least_twenty_people_are_held_out(people, count):
    held = hold_out(split_of(people, 2), seed=0)
    assert len(people_in(held.query.names)) == count
    assert held.query is held.gallery
    # every picture is on one side or the other, with its own people, and nobody is on both
    assert sorted(held.train.names + held.query.names) == sorted(split_of(people, 2).train.names)
    assert not people_in(held.train.names) & people_in(held.query.names)


def test_a_picture_keeps_its_pixels_and_maps_and_people_are_numbered_anew_in_their_order():
    whole = split_of(30)
    whole = replace(whole, train=replace(whole.train, confidence=whole.train.part_map + 1))
    held = hold_out(whole, seed=3)
    for part in (held.train, held.query):
        for place, name in enumerate(part.names):
            before = whole.train.names.index(name)
            for plane in ("image", "part_map", "confidence", "camera"):
                assert torch.equal(getattr(part, plane)[place], getattr(whole.train, plane)[before])
    assert held.train.person.unique().tolist() == list(range(10))
    named = [int(name.split("_")[0]) for name in held.train.names]
    assert [sorted(set(named)).index(one) for one in named] == held.train.person.tolist()


def test_descriptions_stay_with_their_people():
    whole = split_of(30)
    named = replace(whole, descriptions=tuple((f"{person:04d}",) for person in range(30)))
    held = hold_out(named, seed=3)
    first = {int(person): name[:4] for person, name in zip(held.train.person, held.train.names, strict=True)}
    assert held.descriptions == tuple((first[person],) for person in range(10))
    assert hold_out(whole, seed=3).descriptions is None


def test_the_seed_draws_the_people_and_is_part_of_the_fingerprint():
    one, same, other = (hold_out(split_of(40), seed) for seed in (0, 0, 1))
    assert one.query.names == same.query.names != other.query.names
    assert one.fingerprint == same.fingerprint == held_out_fingerprint("0123456789ab", 0, PEOPLE)
    assert len({one.fingerprint, other.fingerprint, "0123456789ab"}) == 3


def in_families(split, sizes):
    """The split whose training people stand in families of these sizes, side by side; families are numbered from 100."""
    of_person = torch.repeat_interleave(100 + torch.arange(len(sizes)), torch.tensor(sizes))
    return replace(split, train=replace(split.train, family=of_person[split.train.person]))


@pytest.mark.parametrize(("sizes", "count"), [((4,) * 38, 24), ((4,) * 10, 20), ((3, 5) * 12, 20)])
def test_look_alikes_are_held_out_together_or_not_at_all(sizes, count):
    split = in_families(split_of(sum(sizes), 2), sizes)
    for seed in range(5):
        held = hold_out(split, seed)
        assert not set(held.train.family.tolist()) & set(held.query.family.tolist())
        people = len(people_in(held.query.names))
        assert (
            count <= people <= count + max(sizes) - 1
        )  # as many as are asked for, and the rest of the last family
        assert len(people_in(held.train.names)) == sum(sizes) - people
        assert held.fingerprint == held_out_fingerprint("0123456789ab", seed, FAMILIES)
        assert held.fingerprint != hold_out(split_of(sum(sizes), 2), seed).fingerprint
    assert (rule_of(split.train), rule_of(split_of(8).train)) == (FAMILIES, PEOPLE)


def test_without_families_the_people_are_those_of_before():
    drawn = torch.randperm(152, generator=torch_stream(3, "held-out people"))[:23]
    held = hold_out(split_of(152, 2), seed=3)
    assert people_in(held.query.names) == {f"{person:04d}" for person in drawn.tolist()}


def test_too_few_people_or_cameras_are_said_in_one_line():
    with pytest.raises(
        UserError, match="tiny has 21 training identities; 20 of them are held out by a search"
    ):
        hold_out(split_of(21), seed=0)
    one_camera = split_of(30)
    train = replace(one_camera.train, camera=torch.zeros_like(one_camera.train.camera))
    with pytest.raises(UserError, match="no training person has images by two cameras"):
        hold_out(replace(one_camera, train=train), seed=0)


def test_every_held_out_picture_of_the_embedded_benchmark_has_a_match_under_another_camera():
    shots = benchmark.plan_training(benchmark.SYNTHPED)
    for person in range(benchmark.SYNTHPED.training_people):
        assert len(set(shots.camera[shots.person == person])) > 1


def test_whatever_is_asked_of_sealed_pictures_raises():
    sealed = seal(tiny_split())
    for name in (*(item.name for item in fields(Pictures)), "anything"):
        with pytest.raises(TestSplitTouched, match=f"their {name} was asked for"):
            getattr(sealed.query, name)
    with pytest.raises(TestSplitTouched, match="their number"):
        len(sealed.gallery)
    with pytest.raises(TestSplitTouched):
        assess(tiny_trainer(PI_VL, split=sealed), tiny_trainer(PI_VL).fresh())


def test_people_are_held_out_trained_without_and_scored_while_the_test_people_are_sealed():
    """The whole way of an objective, on a split whose test pictures raise at any touch."""
    held = hold_out(seal(split_of(28)), seed=0)
    trainer = tiny_trainer(replace(PI_VL, epochs=1), split=held)
    retrieval = assess(trainer, train(trainer)).retrieval
    assert len(retrieval.query) == 80


def test_inputs_with_people_held_out_never_ask_the_test_pictures_for_anything(monkeypatch):
    """Neither while they are loaded nor as they come: of the whole split only the training set is ever read."""
    whole = seal(split_of(28))
    monkeypatch.setattr(loading, "load_whole", lambda *_: whole)
    found = loading.load(spec.Inputs("synthped", held_out=0), (32, 16))
    assert set(found.query.names) < set(whole.train.names)
    assert loading.load(spec.Inputs("synthped"), (32, 16)).query is whole.query


def test_no_run_may_be_watched_that_scores_the_test_people(tmp_path):
    run = draw_run("pi-vl")
    task = Task(run.id, "PI-VL", "image-tower", run, spec.Inputs("synthped"))
    with pytest.raises(ValueError, match="only runs whose test identities are held out may be watched"):
        execute(task, Results(tmp_path, complain), torch.device("cpu"), lambda _: None, lambda *_: None)
