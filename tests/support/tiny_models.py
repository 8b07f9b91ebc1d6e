"""A CLIP and a benchmark of a few kilobytes, random but complete, and their training in a second."""

from dataclasses import replace

import torch

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.loop import Report
from pivl.model import Trained
from pivl.recipe import Recipe
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import Clip, ImageInput, build_clip
from pivl.towers.vocabulary import Vocabulary
from pivl.train import Trainer

SIZE = (32, 16)
RECIPE = replace(
    EMBEDDED,
    image_size=SIZE,
    background="class",
    align_weight=1.0,
    head_rate=1.5e-3,
    identity_epochs=3,
    part_epochs=3,
    epochs=2,
    prompt_batch=16,
    people_per_batch=4,
    padding=2,
)
PI_VL = replace(RECIPE, part_text="identity+label", fusion="pyramid")
RESNET = VisionArchitecture("resnet", (1, 1, 1, 1), 8, 4, 32)
STUDENT = "mobilenetv2-0.25"
VIT = VisionArchitecture("vit", (2,), 32, 2, 32, 8)
TEXTS = ["A photo of a person, -", *(f"A photo of a person's {part}." for part in LIP.parts)]


def tiny_clip(vision: VisionArchitecture = RESNET, seed: int = 0) -> Clip:
    """A CLIP with random weights that knows the prompts of LIP's parts, however they are put together."""
    vocabulary = Vocabulary.covering(TEXTS)
    text = TextArchitecture(2, 32, 2, vision.embed_dim, 24, len(vocabulary))
    generator = torch.Generator().manual_seed(seed)
    clip = build_clip(ClipArchitecture(vision, text), ImageInput(SIZE), vocabulary, generator)
    clip.vision.eval()
    clip.text.eval()
    return clip


def tiny_pictures(people: int, each: int, seed: int) -> Pictures:
    """Pictures of `people` coloured rectangles, `each` times with noise, under cameras 0, 1, ...; with part maps."""
    generator = torch.Generator().manual_seed(seed)
    person = torch.arange(people).repeat_interleave(each)
    base = torch.randint(40, 216, (people, 3, *SIZE), generator=generator)
    image = base[person] + torch.randint(-40, 40, (len(person), 3, *SIZE), generator=generator)
    part_map = torch.zeros(len(person), *SIZE, dtype=torch.uint8)
    for part, rows in {2: slice(0, 8), 5: slice(8, 20), 9: slice(20, 28), 18: slice(28, 32)}.items():
        part_map[:, rows, 2:14] = part
    names = tuple(f"{one:04d}_c{camera}.jpg" for one in range(people) for camera in range(each))
    return Pictures(image.to(torch.uint8), person, torch.arange(each).repeat(people), part_map, names)


def tiny_split() -> Split:
    """A benchmark of 8 training people x 4 pictures and 6 test people x 3 cameras."""
    test = tiny_pictures(6, 3, seed=2)
    return Split("tiny", tiny_pictures(8, 4, seed=1), test, test, LIP, "0" * 16)


def tiny_trainer(
    recipe: Recipe,
    vision: VisionArchitecture = RESNET,
    seed: int = 0,
    report: Report = lambda stage, step: None,
    split: Split | None = None,
) -> Trainer:
    """What trains a tiny CLIP on `split`, or on the tiny one."""
    return Trainer(recipe, split or tiny_split(), tiny_clip(vision), seed, torch.device("cpu"), report)


def train(trainer: Trainer) -> Trained:
    """The outcome of all stages of the trainer's recipe, one after the other."""
    stages = trainer.recipe.stages()
    identity = trainer.tune_prompts("identity-prompts") if "identity-prompts" in stages else None
    parts = trainer.tune_prompts("part-prompts", identity) if "part-prompts" in stages else None
    return trainer.align_images(trainer.texts(identity, parts))
