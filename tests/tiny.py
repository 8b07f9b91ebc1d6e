"""A CLIP and a benchmark of a few kilobytes, random but complete, for tests of the training core."""

import torch

from pivl.data.labels import LIP
from pivl.data.pictures import Pictures, Split
from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import Clip, ImageInput, build_clip
from pivl.towers.vocabulary import Vocabulary

SIZE = (32, 16)
RESNET = VisionArchitecture("resnet", (1, 1, 1, 1), 8, 4, 32)
VIT = VisionArchitecture("vit", (2,), 32, 2, 32, 8)
TEXTS = ["A photo of a person.", *(f"A photo of a person's {part}." for part in LIP.parts)]


def tiny_clip(vision: VisionArchitecture = RESNET, seed: int = 0) -> Clip:
    """A CLIP with random weights that knows the prompts of LIP's parts."""
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
