"""A trained model is scored as it was trained, stored and restored."""

from dataclasses import replace

import pytest
import torch

from pivl.data.part_maps.labels import LIP
from pivl.evaluation import assessment
from pivl.evaluation.assessment import assess, restore, retrieve
from pivl.evaluation.retrieval import rank
from pivl.train import run_stage
from tests.support.tiny_models import (
    PI_VL,
    RECIPE,
    SIZE,
    tiny_pictures,
    tiny_split,
    tiny_trainer,
)


def _run(recipe):
    before = {}
    for stage in recipe.stages():
        before[stage] = run_stage(tiny_trainer(recipe), stage, before)
    return before["image-tower"]


@pytest.mark.parametrize("recipe", [RECIPE, PI_VL], ids=["clip-reid", "pi-vl"])
def test_a_stored_model_scores_as_the_one_that_was_trained(recipe):
    state = _run(recipe)
    first, again = (assess(tiny_trainer(recipe), restore(tiny_trainer(recipe), state)) for _ in range(2))
    assert (first.retrieval.average_precision == again.retrieval.average_precision).all()
    assert len(first.retrieval.person) == 18
    assert first.tokens is not None
    assert (first.fused is None) == (recipe is RECIPE)


def test_looking_at_parts_on_the_way_leaves_the_scores_as_they_are():
    query, gallery = tiny_pictures(6, 3, seed=2), tiny_pictures(6, 3, seed=5)
    trainer = tiny_trainer(PI_VL, split=replace(tiny_split(), query=query, gallery=gallery))
    trained = trainer.fresh().set_training(False)
    looked, alone = assess(trainer, trained), retrieve(trainer, trained, rank)
    assert looked.retrieval.average_precision.tolist() == alone.average_precision.tolist()
    assert looked.tokens is not None
    assert int(looked.tokens.consistency.nearest.sum()) > len(query)


def test_parts_are_looked_at_in_every_second_batch_of_queries(monkeypatch):
    trainer = tiny_trainer(RECIPE)
    trained = trainer.fresh().set_training(False)
    every = assess(trainer, trained)
    monkeypatch.setattr(assessment, "BATCH", 6)
    some = assess(trainer, trained)
    cells = [int(one.tokens.consistency.nearest.sum()) for one in (every, some)]
    assert cells[1] * 18 == cells[0] * 12
    alone = retrieve(trainer, trained, rank)
    assert some.retrieval.average_precision.tolist() == alone.average_precision.tolist()


def test_stored_weights_of_pi_vl_load_into_the_baselines_model():
    state = _run(PI_VL)
    deployed = {name: value for name, value in state.items() if not name.startswith("head.")}
    assert set(deployed) == set(_run(RECIPE))
    image = torch.randn(3, 3, *SIZE)
    baseline = restore(tiny_trainer(RECIPE), deployed).model
    torch.testing.assert_close(baseline.embed(image), restore(tiny_trainer(PI_VL), state).model.embed(image))


def test_consistency_is_named_for_tokens_and_for_the_fused_map():
    trainer = tiny_trainer(PI_VL)
    metrics = assess(trainer, restore(trainer, _run(PI_VL))).consistency_metrics(LIP.flip_pairs)
    expected = {"accuracy", "majority", "margin", "margin_across"}
    assert set(metrics) == {f"{name}_{key}" for name in ("part", "fused_part") for key in expected}
    # 8 + 12 + 8 + 4 rows of four parts: at the fused map's stride of 4 each row band keeps its part
    assert metrics["fused_part_majority"] == pytest.approx(3 / 8)


def test_test_pictures_without_part_maps_have_no_consistency():
    split = tiny_split()
    bare = replace(split, query=replace(split.query, part_map=None))
    assessment = assess(tiny_trainer(RECIPE, split=bare), restore(tiny_trainer(RECIPE), _run(RECIPE)))
    assert assessment.tokens is None
    assert assessment.consistency_metrics(LIP.flip_pairs) == {}
