"""The embedded benchmark's CLIP as a file: made from a seed, evaluated on held-out people, written."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from pivl.loop import Step, mean_terms
from pivl.synthped.benchmark import PRETRAINING, PretrainingConfig, pretraining_people
from pivl.synthped.picture_cache import Report as RenderingReport
from pivl.synthped.pretraining.batches import describe
from pivl.synthped.pretraining.clip_training import CPU, Pretraining, Report, train_clip
from pivl.synthped.pretraining.starts import Start
from pivl.synthped.pretraining.zero_shot import Evaluation, evaluate
from pivl.synthped.recipe import EMBEDDED
from pivl.system.processes import cpu_precision
from pivl.towers.clip import Clip
from pivl.towers.weights import save_clip

TRAINING_SET = replace(PRETRAINING, people=8000, shots=3)  # many people, since captions tell people apart
HELD_OUT = replace(PRETRAINING, name="synthped-held-out", people=500, shots=1, cameras=100)
SLICES = 8  # of the training, whose mean losses the card shows


@dataclass(frozen=True)
class ClipReport:
    """A training that was done, for its card.

    start: which of the CLIPs it is. losses: the mean of each term in each of SLICES parts of it; images: pictures
    and crops seen; threads and torch: what it ran on.
    """

    start: Start
    seed: int
    choices: Pretraining
    training_set: PretrainingConfig
    evaluation: Evaluation
    losses: list[dict[str, float]]
    images: int
    minutes: float
    threads: int
    torch: str


def pretrain(
    start: Start,
    output: Path,
    seed: int = 0,
    choices: Pretraining | None = None,
    training_set: PretrainingConfig = TRAINING_SET,
    report: Report = lambda stage, step: None,
    rendering: RenderingReport | None = None,
    device: torch.device = CPU,
) -> ClipReport:
    """Trains the CLIP of `start`, evaluates it and writes its weights to `output`; 25 minutes of two quiet cores.

    `choices` None: those of `start`, in the precision of this processor. The weights depend on seed, choices and
    pictures alone, on one kind of processor and with one number of threads.
    Raises UserError where `output` or the cache of pictures cannot be written, TrainingFailed at a
    non-finite loss.
    """
    choices = choices or replace(start.choices, precision=cpu_precision())
    material = describe(pretraining_people(training_set, report=rendering), seed)
    began, steps = time.monotonic(), []

    def keep(stage: str, step: Step) -> None:
        steps.append(step)
        report(stage, step)

    clip = train_clip(material, start.vision, choices, seed, keep, device)
    minutes = (time.monotonic() - began) / 60
    evaluation = evaluate_on_held_out(clip, rendering)
    facts = {
        "seed": seed,
        "choices": asdict(choices),
        "taught": asdict(training_set),
        "criteria": asdict(evaluation),
    }
    save_clip(output, clip, facts)
    images = sum(step.images for step in steps)
    return ClipReport(
        start,
        seed,
        choices,
        training_set,
        evaluation,
        mean_terms(steps, SLICES),
        images,
        minutes,
        torch.get_num_threads(),
        torch.__version__,
    )


def evaluate_on_held_out(clip: Clip, rendering: RenderingReport | None = None) -> Evaluation:
    """Returns the criteria on 500 people of HELD_OUT, who are in no other set."""
    held_out = describe(pretraining_people(HELD_OUT, report=rendering), seed=0, each=1)
    pictures = held_out.pictures
    if pictures.part_map is None:
        raise ValueError("the criteria need part maps")
    captions = [held_out.captions[who][0] for who in pictures.person.tolist()]
    return evaluate(clip, pictures.image, pictures.part_map, captions, EMBEDDED.label_vote)
