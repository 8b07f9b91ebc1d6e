"""Block 7, the embedded benchmark: its renderer, a run of each row, and where the time of `run ablation` goes."""

import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from statistics import median

import numpy as np
import torch

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting, draw_pictures
from harness.perf.stage_2 import watch_stage_2
from harness.perf.timing import alternate, seconds
from harness.plan.throughput import Pace, Throughput
from harness.plan.workload import count_work
from harness.store.records import Results
from harness.system.devices import describe_device, suitable_slots
from harness.system.process import worker_environment
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Split
from pivl.evaluation.assessment import assess
from pivl.loop import Step
from pivl.recipe import STAGES, Recipe, Stage
from pivl.synthped.benchmark import SYNTHPED, SYNTHPED_MINI, build_world
from pivl.synthped.rendering.picture import render_pictures
from pivl.system.parallel import cores
from pivl.train import Trainer

NAMES = {"identity-prompts": "stage 1a", "part-prompts": "stage 1b", "image-tower": "stage 2, with scoring"}
PEOPLE = {SYNTHPED.training_shots: SYNTHPED.training_people}
PICTURES = PEOPLE[SYNTHPED.training_shots] * SYNTHPED.training_shots + SYNTHPED.test_people * SYNTHPED.cameras
WHOLE = 8.0  # minutes
SCORED = 6  # one of so many test pictures is scored for an estimate


def measure(setting: Setting) -> Block:
    """The block from records of runs on this device if there are some, else from steps measured now."""
    experiment = resolve(Request("ablation"))
    recipes = {
        row.name: experiment.recipe(row) for row in experiment.study.rows if row.name in experiment.rows
    }
    measured = Throughput.read(Results(setting.results, lambda text: None), describe_device(setting.device))
    found: dict[tuple[Stage, str], float] = {}
    estimated = False
    for name, recipe in recipes.items():
        for stage in recipe.stages():
            pace = measured.pace(recipe, stage)
            if pace is None:
                estimated, pace = True, _pace(setting, recipe, stage)
            found[stage, name] = pace.seconds(count_work(recipe, stage, PEOPLE, None).images)
    slots, seeds = suitable_slots(setting.device), len(experiment.seeds)
    rendered = _rendered(setting)
    overhead = PICTURES / rendered.value / min(slots, cores()) + _worker_start()
    figures = [rendered]
    for stage in STAGES[:-1]:
        shared = [taken for (of, _), taken in found.items() if of == stage]
        figures.append(Figure(f"{NAMES[stage]}, once a seed", median(shared), "s"))
    figures += [
        Figure(f"{NAMES['image-tower']}, {name}, each seed", found["image-tower", name], "s")
        for name in recipes
    ]
    once = sum(figure.value for figure in figures if figure.name.endswith("once a seed"))
    each = sum(figure.value for figure in figures if figure.name.endswith("each seed"))
    whole = seeds * (once + each) + slots * overhead
    figures += [
        Figure(
            f"run ablation: {len(recipes)} rows x {seeds} seeds, {slots} at a time",
            whole / slots / 60,
            "minutes",
        ),
        Figure("of it rendering, and a worker's start", 100 * slots * overhead / whole, "%"),
        Figure("of it stage 1", 100 * seeds * once / whole, "%"),
        Figure("of it stage 2 and scoring", 100 * seeds * each / whole, "%"),
    ]
    source = (
        "steps and a scoring measured here, times their number"
        if estimated
        else f"records in {setting.results}"
    )
    return Block(
        "embedded",
        "7. The embedded benchmark",
        tuple(figures),
        (Bar(f"run ablation, {slots} at a time, minutes", whole / slots / 60, WHOLE, False),),
        notes=(
            f"At {setting.embedded.precision}. Seconds of stages: from {source}. Rendering is done once and kept in the "
            "cache; the table and MLflow at the end, some seconds, are not counted.",
        ),
    )


def _worker_start() -> float:
    """Seconds until a worker has finished its imports."""
    words = [sys.executable, "-P", "-c", "import harness.execution.worker"]
    return seconds(lambda: subprocess.run(words, check=True, env=worker_environment()), torch.device("cpu"))


def _rendered(setting: Setting) -> Figure:
    """Pictures per second of one core."""
    count = 32 if setting.quick else 128
    world, size = build_world(SYNTHPED_MINI), SYNTHPED_MINI.size
    people, cameras = np.arange(count) % SYNTHPED_MINI.training_people, np.zeros(count, dtype=np.int64)
    numbers = np.arange(count)
    (taken,) = alternate(
        setting.repeats, torch.device("cpu"), lambda: render_pictures(world, people, cameras, numbers, size)
    )
    return Figure.of(f"renderer, {size[0]}x{size[1]}", [count / one for one in taken], "images/s")


def _pace(setting: Setting, recipe: Recipe, stage: Stage) -> Pace:
    """The training speed of the stage over a few steps, and its overhead."""
    steps = 3 if setting.quick else 6
    if stage == "image-tower":
        images = recipe.batch_size(stage)
        watched = watch_stage_2(recipe, setting.embedded_clip(), setting.device, images)
        watched.run(steps)
        return Pace(images / median(watched.step_seconds()), _scoring_seconds(setting, recipe))
    times: list[float] = []
    trainer = _trainer(setting, recipe, times, 5 * steps)
    width = trainer.clip.text.architecture.width
    tokens = torch.zeros(SYNTHPED.training_people, recipe.identity_tokens, width)
    whole = seconds(lambda: trainer.tune_prompts(stage, tokens), setting.device)
    each = median(later - sooner for sooner, later in pairwise(times))
    return Pace(recipe.batch_size(stage) / each, max(0.0, whole - each * len(times)))


def _scoring_seconds(setting: Setting, recipe: Recipe) -> float:
    """Seconds of scoring all test pictures, from some of them."""
    trainer = _trainer(setting, recipe, [], 1)
    trained = trainer.fresh().set_training(False)
    return SCORED * seconds(lambda: assess(trainer, trained), setting.device)


def _trainer(setting: Setting, recipe: Recipe, times: list[float], steps: int) -> Trainer:
    """A trainer on drawn images, as many as the benchmark has, which notes the time of each step."""
    train = draw_pictures(SYNTHPED.training_people, SYNTHPED.training_shots, recipe.image_size)
    test = draw_pictures(SYNTHPED.test_people // SCORED, SYNTHPED.cameras, recipe.image_size)
    test = replace(test, camera=torch.arange(len(test)) % SYNTHPED.cameras)
    split = Split("drawn", train, test, test, LIP, "")

    def note(stage: str, step: Step) -> None:
        times.append(time.perf_counter())

    return Trainer(recipe, split, setting.embedded_clip(), 0, setting.device, note, steps)
