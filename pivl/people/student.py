"""The embedded benchmark's student as a file: a MobileNetV2 that learned to name what people wear, of nobody in it.

A student needs a start of its own, as the paper's has ImageNet's: from random weights it learns next to nothing in the
minutes of a run. It is taught attributes (pivl.people.attributes) of rendered people who are in no other set, under
other cameras, and no identities; it is in-domain, as the tiny CLIP is.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from pivl.data.augment import augment
from pivl.data.labels import LIP
from pivl.data.moves import Augmentation, draw_rows
from pivl.data.sampler import shuffled_batches
from pivl.data.store import CLIP as NORMALIZATION
from pivl.data.store import Decoded
from pivl.loop import Fit, Step, smooth_cosine
from pivl.people.album import Report as RenderingReport
from pivl.people.attributes import Attributes, describe_pictures
from pivl.people.benchmark import PRETRAINING, PretrainingConfig, pretraining_people
from pivl.streams import torch_stream
from pivl.towers.student import StudentTower, build_student
from pivl.towers.student_weights import save_student

WEIGHTS = Path(__file__).with_name("student.safetensors")
NAME = "mobilenetv2-0.25"
# As hard to see as the benchmark's own people: cameras as severe, yaws spread as far.
TAUGHT = replace(PRETRAINING, name="synthped-student", people=8000, shots=4, severity=0.9, yaw_spread=0.8)
HELD_OUT = replace(TAUGHT, name="synthped-student-held-out", people=500, shots=2, cameras=100)
PARTS = 8  # of the training, for its progress and its card

Report = Callable[[str, Step], object]


@dataclass(frozen=True)
class StudentPretraining:
    """Every choice that decides the student's weights, except pictures and seed; `padding` in pixels, as in a recipe."""

    student: str = NAME
    steps: int = 2400
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.05
    padding: int = 5


@dataclass(frozen=True)
class MadeStudent:
    """A training that was done, for its card.

    losses: the mean loss in each of PARTS parts of it; accuracy: by attribute on HELD_OUT; chance: of its commonest
    class there. images: pictures seen; threads and torch: what it ran on.
    """

    seed: int
    choices: StudentPretraining
    taught: PretrainingConfig
    losses: list[float]
    accuracy: dict[str, float]
    chance: dict[str, float]
    images: int
    minutes: float
    threads: int
    torch: str


def pretrain_student(
    output: Path,
    seed: int = 0,
    choices: StudentPretraining | None = None,
    taught: PretrainingConfig = TAUGHT,
    report: Report = lambda stage, step: None,
    rendering: RenderingReport | None = None,
) -> MadeStudent:
    """Train the student, examine it and write its weights to `output`; 18 minutes on a busy core with the defaults.

    The weights depend on seed, choices and pictures alone, on one kind of CPU and with one number of threads.
    Raises UserError where `output` or the cache of pictures cannot be written, TrainingFailed at a non-finite loss.
    """
    choices = choices or StudentPretraining()
    people = pretraining_people(taught, report=rendering)
    attributes = describe_pictures(people.people, people.pictures)
    began, steps = time.monotonic(), []

    def keep(step: Step) -> None:
        steps.append(step)
        report("pretrain", step)

    namer = train_namer(people.pictures.image, attributes, choices, seed, keep)
    minutes = (time.monotonic() - began) / 60
    accuracy, chance = examine_namer(namer, attributes, rendering)
    facts = {"seed": seed, "choices": asdict(choices), "taught": asdict(taught), "accuracy": accuracy}
    save_student(output, namer, json.dumps({"extra": facts}, sort_keys=True))
    losses = [float(step.terms["attributes"]) for step in steps]
    size = -(-len(losses) // PARTS)
    parts = [losses[start : start + size] for start in range(0, len(losses), size)]
    return MadeStudent(
        seed,
        choices,
        taught,
        [sum(part) / len(part) for part in parts],
        accuracy,
        chance,
        sum(step.images for step in steps),
        minutes,
        torch.get_num_threads(),
        torch.__version__,
    )


def train_namer(
    image: Tensor,
    attributes: Attributes,
    choices: StudentPretraining,
    seed: int,
    report: Callable[[Step], object],
) -> StudentTower:
    """A student that learned to name attributes of image [N, 3, H, W] where it will project to texts, in eval mode."""
    height, width = image.shape[2:]
    classes = sum(attributes.classes)
    namer = build_student(choices.student, (height, width), classes, torch_stream(seed, "student"))
    namer.train().to(memory_format=torch.channels_last)
    moves = torch_stream(seed, "augmentation")
    augmentation = Augmentation(padding=choices.padding, erase_probability=0.0)
    mirrored = torch.from_numpy(LIP.mirror_table())  # attributes are the same in a mirror
    nobody = torch.zeros(len(image), dtype=torch.int64)

    def terms(index: Tensor) -> dict[str, Tensor]:
        decoded = Decoded(image[index], nobody[index], nobody[index], None)
        batch = augment(decoded, augmentation, NORMALIZATION, mirrored, draw_rows(len(index), moves))
        pixels = batch.image.contiguous(memory_format=torch.channels_last)
        return {"attributes": attributes.loss(namer(pixels).proj, index)}

    order = _endless_batches(len(image), choices.batch, torch_stream(seed, "batches"))
    parts = min(PARTS, choices.steps)

    def batches(part: int) -> list[Tensor]:
        return list(islice(order, choices.steps * part // parts - choices.steps * (part - 1) // parts))

    schedule = smooth_cosine(parts, choices.warmup * parts, 0.01)
    optimizer = torch.optim.AdamW(namer.parameters(), choices.rate, weight_decay=choices.weight_decay)
    for step in Fit(parts, batches, terms, optimizer, schedule):
        report(step)
    return namer.eval()


@torch.no_grad()
def examine_namer(
    namer: StudentTower, attributes: Attributes, rendering: RenderingReport | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """By attribute of those it was taught, the share named rightly on HELD_OUT, and the share of the commonest class."""
    people = pretraining_people(HELD_OUT, report=rendering)
    held_out = describe_pictures(people.people, people.pictures)
    image = people.pictures.image
    logits = torch.cat(
        [namer(NORMALIZATION.normalize(image[index])).proj for index in torch.arange(len(image)).split(256)]
    )
    return held_out.accuracy(logits), held_out.chance()


def _endless_batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of `size` of `count` pictures, in another order each time that all have been seen."""
    while True:
        yield from shuffled_batches(count, min(size, count), generator, keep_last=False)
