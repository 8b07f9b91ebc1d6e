"""The embedded benchmark's student as a file: a MobileNetV2 that learned to name what people wear, of nobody in it.

A student needs a start of its own, as the paper's has ImageNet's: from random weights it learns next to nothing in the
minutes of a run. It is taught attributes of rendered people who are in no other set, under
other cameras, and no identities; it is in-domain, as the tiny CLIP is. Each of its maps is also asked what its places
show: with the picture's classes alone it knew after 18 minutes what it knows so after three.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.normalization import CLIP as NORMALIZATION
from pivl.data.part_maps.labels import LIP
from pivl.data.sampler import shuffled_batches
from pivl.data.store import Store
from pivl.loop import Fit, Step, mean_terms, smooth_cosine
from pivl.synthped.benchmark import PRETRAINING, PretrainingConfig, PretrainingSet, pretraining_people
from pivl.synthped.names import STUDENT
from pivl.synthped.picture_cache import Report as RenderingReport
from pivl.synthped.pretraining.attributes import Attributes, Places, describe_pictures, describe_places
from pivl.system.random_streams import torch_stream
from pivl.towers.clip import drawing_from
from pivl.towers.student import StudentTower, build_student
from pivl.towers.student_weights import save_student

# As hard to see as the benchmark's own people: cameras as severe, yaws spread as far.
TRAINING_SET = replace(
    PRETRAINING, name="synthped-student", people=8000, shots=4, severity=0.9, yaw_spread=0.8
)
HELD_OUT = replace(TRAINING_SET, name="synthped-student-held-out", people=500, shots=2, cameras=100)
PARTS = 8  # of the training, for its progress and its card

Report = Callable[[str, Step], object]


@dataclass(frozen=True)
class StudentPretraining:
    """Every choice that decides the student's weights, except pictures and seed; `padding` in pixels, as in a recipe.

    steps: the paper's student alone has 75 % of its teacher's mAP; after 6000 this one had more than all.
    place_weight: of what its maps are asked about places, summed over maps, beside 1 for the classes of a picture.
    """

    student: str = STUDENT
    steps: int = 2000
    batch: int = 32
    rate: float = 3e-3
    weight_decay: float = 0.02
    warmup: float = 0.05
    padding: int = 5
    place_weight: float = 0.5


@dataclass(frozen=True)
class StudentReport:
    """A training that was done, for its card.

    losses: the mean loss in each of PARTS parts of it; accuracy: by attribute on HELD_OUT; chance: of its commonest
    class there. images: pictures seen; threads and torch: what it ran on.
    """

    seed: int
    choices: StudentPretraining
    training_set: PretrainingConfig
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
    training_set: PretrainingConfig = TRAINING_SET,
    report: Report = lambda stage, step: None,
    rendering: RenderingReport | None = None,
) -> StudentReport:
    """Trains the student, evaluates it and writes its weights to `output`; some minutes of a core with the defaults.

    The weights depend on seed, choices and pictures alone, on one kind of CPU and with one number of threads.
    Raises UserError where `output` or the cache of pictures cannot be written, TrainingFailed at a non-finite loss.
    """
    choices = choices or StudentPretraining()
    people = pretraining_people(training_set, report=rendering)
    began, steps = time.monotonic(), list[Step]()

    def keep(step: Step) -> None:
        steps.append(step)
        report("pretrain", step)

    classifier = train_attribute_classifier(people, choices, seed, keep)
    minutes = (time.monotonic() - began) / 60
    accuracy, chance = evaluate_classifier(classifier, rendering)
    facts = {"seed": seed, "choices": asdict(choices), "taught": asdict(training_set), "accuracy": accuracy}
    save_student(output, classifier, json.dumps({"extra": facts}, sort_keys=True))
    return StudentReport(
        seed,
        choices,
        training_set,
        [part["attributes"] for part in mean_terms(steps, PARTS)],
        accuracy,
        chance,
        sum(step.images for step in steps),
        minutes,
        torch.get_num_threads(),
        torch.__version__,
    )


def train_attribute_classifier(
    people: PretrainingSet, choices: StudentPretraining, seed: int, report: Callable[[Step], object]
) -> StudentTower:
    """Returns a student that learned to name attributes of `people` where it will project to texts, in eval mode."""
    pictures, store = people.pictures, Store.hold(people.pictures, torch.device("cpu"))
    attributes, places = describe_pictures(people.people, pictures), describe_places(people.people)
    classifier = _fresh_classifier(choices.student, pictures.image, attributes, seed)
    classifier.train().to(memory_format=torch.channels_last)
    auxiliary_heads = _auxiliary_heads(classifier, torch_stream(seed, "places"))
    moves = torch_stream(seed, "augmentation")
    augmentation = Augmentation(padding=choices.padding, erase_probability=0.0)
    mirrored = torch.from_numpy(LIP.mirror_table())  # attributes are the same in a mirror

    def terms(index: Tensor) -> dict[str, Tensor]:
        batch = augment(
            store.gather(index), augmentation, NORMALIZATION, mirrored, draw_rows(len(index), moves)
        )
        assert batch.part_map is not None  # describe_pictures has asked for it
        maps = classifier.net(batch.image.contiguous(memory_format=torch.channels_last))
        named = classifier.project(maps[-1]).mean(dim=(2, 3))
        answers = [ask(seen) for ask, seen in zip(auxiliary_heads, maps, strict=True)]
        asked = torch.stack([places.loss(answer, batch.part_map, batch.person) for answer in answers]).sum()
        return {"attributes": attributes.loss(named, index), "places": choices.place_weight * asked}

    order = _endless_batches(len(pictures), choices.batch, torch_stream(seed, "batches"))
    parts = min(PARTS, choices.steps)

    def batches(part: int) -> list[Tensor]:
        return list(islice(order, choices.steps * part // parts - choices.steps * (part - 1) // parts))

    schedule = smooth_cosine(parts, choices.warmup * parts, 0.01)
    trained = [*classifier.parameters(), *auxiliary_heads.parameters()]
    optimizer = torch.optim.AdamW(trained, choices.rate, weight_decay=choices.weight_decay)
    for step in Fit(parts, batches, terms, optimizer, schedule):
        report(step)
    return classifier.eval()


@torch.no_grad()
def _fresh_classifier(name: str, image: Tensor, attributes: Attributes, seed: int) -> StudentTower:
    """Returns a student for image [N, 3, H, W] that names what is commonest, whatever it sees.

    The bias starts at the log class frequencies, which Adam would otherwise spend most of the training on.
    """
    height, width = image.shape[2:]
    classifier = build_student(name, (height, width), sum(attributes.classes), torch_stream(seed, "student"))
    layer = cast(nn.Conv2d, classifier.project[1])
    layer.weight.zero_()
    cast(Tensor, layer.bias).copy_(attributes.log_shares())
    return classifier


def _auxiliary_heads(classifier: StudentTower, generator: torch.Generator) -> nn.ModuleList:
    """For each map of the student, a layer for what its places show; it is not kept."""
    widths = (*classifier.map_channels, classifier.dims[1])
    with drawing_from(generator):
        return nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.Conv2d(width, Places.CLASSES, 1)) for width in widths
        ).train()


@torch.no_grad()
def evaluate_classifier(
    classifier: StudentTower, rendering: RenderingReport | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns by attribute the accuracy on HELD_OUT and the share of the commonest class (majority baseline)."""
    people = pretraining_people(HELD_OUT, report=rendering)
    held_out = describe_pictures(people.people, people.pictures)
    image = people.pictures.image
    logits = torch.cat(
        [
            classifier(NORMALIZATION.normalize(image[index])).proj
            for index in torch.arange(len(image)).split(256)
        ]
    )
    return held_out.accuracy(logits), held_out.chance()


def _endless_batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of `size` of `count` pictures, in another order each time that all have been seen."""
    while True:
        yield from shuffled_batches(count, min(size, count), generator, keep_last=False)
