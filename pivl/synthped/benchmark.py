"""`synthped`, the embedded benchmark: rendered pedestrians, six cameras, exact part maps; and people for CLIP.

Difficulty was fixed by the baseline's mAP alone: camera severity, yaw spread, family size and number of changed items
were chosen so that CLIP-ReID reaches 45 to 65 % mAP on the test people, before any part-informed row was run on them.
Seven settings were tried with CLIP-ReID at one seed, from 89 % (severity .4, pairs with 5 changes: too easy) to 54 %; the
one taken gave 59 %.

No person is in two sets. Every set draws its people from a stream of its own, and a family's members, which share all
but a few items, are drawn together, so they stay in one set. A family carries a 62-bit texture seed, by which a test
compares the sets. The people who pass by are a further set: nobody to be recognised is seen in another's picture.
"""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

import numpy as np
import torch

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.synthped.names import EMBEDDED_SETS
from pivl.synthped.person.wardrobe import People, draw_families, draw_people
from pivl.synthped.picture_cache import CachedPictures, Report, ShotList, load_pictures
from pivl.synthped.pretraining.captions import describe_parts
from pivl.synthped.rendering.camera import draw_cameras
from pivl.synthped.rendering.picture import World
from pivl.system.random_streams import numpy_stream

VERSION = 2  # of the pictures: raised whenever the same configuration would give others


@dataclass(frozen=True)
class SynthpedConfig:
    """Every choice that decides the benchmark's pictures, but for their size and VERSION.

    family: people per family of look-alikes, who differ in `changes` items; severity and yaw_spread: see draw_cameras.
    Test people are taken once by every camera, training people `training_shots` times by the cameras in turn.
    """

    name: str = EMBEDDED_SETS[0]
    size: tuple[int, int] = (128, 64)  # height, width
    training_people: int = 152
    training_shots: int = 8
    test_people: int = 200
    cameras: int = 6
    family: int = 4
    changes: int = 2
    severity: float = 0.9
    yaw_spread: float = 0.8
    passers_by: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if self.training_people % self.family or self.test_people % self.family:
            raise ValueError(
                f"{self.name}: families of {self.family} must fill the training and the test people"
            )
        if self.cameras < 2 or self.training_shots < 2:
            raise ValueError(
                f"{self.name}: retrieval needs two cameras and two pictures of a person at least"
            )


@dataclass(frozen=True)
class PretrainingConfig:
    """Every choice that decides the pictures for CLIP's pre-training: each person `shots` times, by random cameras."""

    name: str = "synthped-pretraining"
    size: tuple[int, int] = (128, 64)
    people: int = 3000
    shots: int = 8
    cameras: int = 400
    family: int = 2
    changes: int = 5
    severity: float = 0.4
    yaw_spread: float = 0.4
    passers_by: int = 200
    seed: int = 0


@dataclass(frozen=True)
class PretrainingSet:
    """People and their pictures; `pictures.person` says which of `people` a picture shows."""

    people: People
    pictures: Pictures


SYNTHPED = SynthpedConfig()
SYNTHPED_MINI = replace(SYNTHPED, name=EMBEDDED_SETS[1], training_people=32, test_people=24)
VARIANTS = dict(zip(EMBEDDED_SETS, (SYNTHPED, SYNTHPED_MINI), strict=True))
PRETRAINING = PretrainingConfig()


def load(
    config: SynthpedConfig = SYNTHPED,
    size: tuple[int, int] | None = None,
    report: Report | None = None,
    people: int | None = None,
) -> Split:
    """The benchmark at `size` (height, width), from the cache or rendered into it; `report(done, total)` while rendering.

    Training people are numbered from 0, test people go on from there. Query and gallery are both all the test pictures;
    the market protocol leaves a query's own camera out. The fingerprint hashes configuration, version, size and part
    maps. `people`: as many training and test people alone, the first of the whole, under their names and numbers there.
    Raises UserError when the cache folder cannot be written or is full.
    """
    facts = {"version": VERSION, **asdict(config), "size": list(size or config.size)}
    training, test = plan_training(config), plan_test(config)
    name, before = f"{config.name}-v{VERSION}", len(training)
    if people is not None:
        training, test = training.first(people * config.training_shots), test.first(people * config.cameras)
        name += f"-first-{people}"
    album = load_pictures(name, facts, training.join(test), lambda: build_world(config), report)
    train, gallery = (
        _pictures(album, shots, start, config.family, number)
        for shots, start, number in ((training, 0, 0), (test, len(training), before))
    )
    content = sha256(json.dumps(facts, sort_keys=True).encode())
    content.update(album.part_map.tobytes())
    described = describe_parts(draw_benchmark_people(config)[0])[:people]
    return Split(name, train, gallery, gallery, LIP, content.hexdigest()[:12], descriptions=described)


def pretraining_people(
    config: PretrainingConfig = PRETRAINING, size: tuple[int, int] | None = None, report: Report | None = None
) -> PretrainingSet:
    """People for CLIP's pre-training and their pictures, cached as `load` does; another `name` gives other people."""
    facts = {"version": VERSION, **asdict(config), "size": list(size or config.size)}
    people, shots = draw_pretraining_people(config), plan_pretraining(config)
    album = load_pictures(
        f"{config.name}-v{VERSION}", facts, shots, lambda: surround(people, config, config.name), report
    )
    return PretrainingSet(people, _pictures(album, shots, 0, config.family, 0))


def draw_pretraining_people(config: PretrainingConfig) -> People:
    """Returns the people of pre-training; the last family may be cut."""
    draw = numpy_stream(config.seed, f"{config.name}/people")
    families = -(-config.people // config.family)
    return draw_families(families, config.family, config.changes, draw).select(np.arange(config.people))


def draw_benchmark_people(config: SynthpedConfig) -> tuple[People, People]:
    """Returns the training and the test people, each from its own stream."""
    training, test = (
        draw_families(
            count // config.family,
            config.family,
            config.changes,
            numpy_stream(config.seed, f"{config.name}/{part} people"),
        )
        for count, part in ((config.training_people, "training"), (config.test_people, "test"))
    )
    return training, test


def plan_training(config: SynthpedConfig) -> ShotList:
    """`training_shots` pictures of every training person, by the cameras in turn."""
    person = np.repeat(np.arange(config.training_people), config.training_shots)
    turn = np.tile(np.arange(config.training_shots), config.training_people)
    draw = numpy_stream(config.seed, f"{config.name}/training pictures")
    return ShotList(person, (person + turn) % config.cameras, draw.integers(2**62, size=len(person)))


def plan_test(config: SynthpedConfig) -> ShotList:
    """One picture of every test person by every camera; test people come after the training people."""
    person = config.training_people + np.repeat(np.arange(config.test_people), config.cameras)
    draw = numpy_stream(config.seed, f"{config.name}/test pictures")
    return ShotList(
        person, np.tile(np.arange(config.cameras), config.test_people), draw.integers(2**62, size=len(person))
    )


def plan_pretraining(config: PretrainingConfig) -> ShotList:
    """`shots` pictures of every person, each by a camera drawn at random."""
    person = np.repeat(np.arange(config.people), config.shots)
    draw = numpy_stream(config.seed, f"{config.name}/pictures")
    return ShotList(
        person, draw.integers(config.cameras, size=len(person)), draw.integers(2**62, size=len(person))
    )


def build_world(config: SynthpedConfig) -> World:
    """Training people, then test people; who passes by; the cameras, which all variants of one seed share."""
    training, test = draw_benchmark_people(config)
    rows = {name: np.concatenate([value, vars(test)[name]]) for name, value in vars(training).items()}
    return surround(People(**rows), config, "synthped")


def surround(people: People, config: SynthpedConfig | PretrainingConfig, cameras_of: str) -> World:
    """Returns the world of `people`: who passes by them, and the cameras of the stream `cameras_of`."""
    passers_by = draw_people(config.passers_by, numpy_stream(config.seed, f"{config.name}/passers-by"))
    draw = numpy_stream(config.seed, f"{cameras_of}/cameras")
    return World(people, passers_by, draw_cameras(config.cameras, draw, config.severity, config.yaw_spread))


def _pictures(album: CachedPictures, shots: ShotList, start: int, family: int, before: int) -> Pictures:
    """Returns the pictures of `shots`, which begin at `start` in the album, named as Market-1501 names its files.

    before: how many pictures are numbered before these. Families of `family` people stand side by side, as draw_families
    has them.
    """
    end = start + len(shots)
    return Pictures(
        torch.from_numpy(album.image[start:end]),
        torch.from_numpy(shots.person),
        torch.from_numpy(shots.camera),
        torch.from_numpy(album.part_map[start:end]),
        tuple(
            f"{person + 1:04d}_c{camera + 1}s1_{number:06d}_00.jpg"
            for number, (person, camera) in enumerate(
                zip(shots.person, shots.camera, strict=True), before + 1
            )
        ),
        family=torch.from_numpy(shots.person // family),
    )
