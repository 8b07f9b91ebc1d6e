"""The embedded benchmark can tell effects from noise: language and CLIP's initial weights each move it by far more."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pivl.synthped
from pivl.evaluation.assessment import assess
from pivl.synthped.benchmark import SYNTHPED, load
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.clip import ImageInput, build_clip
from pivl.towers.weights import load_clip
from pivl.train import Trainer, run_stage
from studies.controls import no_text

WEIGHTS = Path(pivl.synthped.__file__).parent / "tiny_clip.safetensors"
SEEDS = (0, 1)


@pytest.mark.slow  # six whole runs: four to five minutes on one core
def test_language_and_clips_weights_move_map_by_far_more_than_a_seed():
    split, clip = load(SYNTHPED), load_clip(WEIGHTS)
    random = build_clip(
        clip.architecture, ImageInput(SYNTHPED.size), clip.vocabulary, torch.Generator().manual_seed(0)
    )
    variants = {
        "clip-reid": (EMBEDDED, clip),
        "no text": (replace(EMBEDDED, **no_text), clip),
        "no clip": (EMBEDDED, replace(clip, vision=random.vision)),
    }
    scores = {
        name: [_map(recipe, split, start, seed) for seed in SEEDS]
        for name, (recipe, start) in variants.items()
    }
    noise = max(max(values) - min(values) for values in scores.values())
    for name in ("no text", "no clip"):
        effect = sum(scores["clip-reid"]) / len(SEEDS) - sum(scores[name]) / len(SEEDS)
        assert effect > 5 * noise, scores
        assert effect > 5, scores  # mAP points


def _map(recipe, split, clip, seed):
    trainer = Trainer(recipe, split, clip, seed, torch.device("cpu"), lambda stage, step: None)
    before = {}
    for stage in recipe.stages()[:-1]:
        before[stage] = run_stage(trainer, stage, before)
    tokens = {stage: state["tokens"] for stage, state in before.items()}
    trained = trainer.align_images(trainer.texts(tokens.get("identity-prompts"), None))
    return 100 * assess(trainer, trained).retrieval.map
