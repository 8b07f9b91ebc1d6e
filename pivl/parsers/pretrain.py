"""The embedded parsers trained from nothing on rendered people, at three budgets (Table 4).

Their people, cameras and passers-by are in no other set, so on the benchmark's pictures they err as a parser does that
was trained elsewhere. They differ in the number of steps alone: more data or a larger network would be a difference of
its own.
"""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.data.normalization import CLIP as NORMALIZATION
from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures
from pivl.loop import Fit, Report, Step, smooth_cosine
from pivl.parsers.embedded import embedded_parser, one_thread, parse_pictures, save_network, weights_of
from pivl.parsers.score_interval import BootstrapScore, score_interval
from pivl.parsers.unet import UNet
from pivl.synthped.benchmark import PRETRAINING, PretrainingConfig, pretraining_people
from pivl.synthped.picture_cache import Report as RenderingReport
from pivl.synthped.pretraining.crops import mirror
from pivl.system.random_streams import numpy_stream, torch_stream

STEPS = {"parser-s": 300, "parser-m": 1000, "parser-l": 4000}  # 20 s, 70 s and 5 min of one core
TRAINING_SET = replace(
    PRETRAINING, name="synthped-parsing", people=1500, shots=4, severity=0.9, yaw_spread=0.8
)
HELD_OUT = replace(TRAINING_SET, name="synthped-parsing-held-out", people=250, shots=2, cameras=100)
EPOCHS = 20  # parts of the training, which mean nothing but to its progress


@dataclass(frozen=True)
class ParserTraining:
    """Every choice that decides the weights, except pictures and seed.

    rarity: a class counts by its share of the pixels to the power of minus this, so that small parts are learned too.
    """

    steps: int
    batch: int = 8
    rate: float = 6e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    mirrored: float = 0.5
    rarity: float = 0.5


@dataclass(frozen=True)
class ParserReport:
    """A training that was done, for its card. held_out: its score on HELD_OUT; losses: of every step."""

    name: str
    weights: Path
    seed: int
    choices: ParserTraining
    training_set: PretrainingConfig
    held_out: BootstrapScore
    losses: tuple[float, ...]
    seconds: float


def pretrain_parser(
    name: str,
    folder: Path,
    seed: int,
    choices: ParserTraining,
    report: Report,
    rendering: RenderingReport | None = None,
) -> ParserReport:
    """Train the parser `name`, write its weights into `folder` and score them, as written, on people it never saw.

    Raises UserError where the file or the cache of pictures cannot be written, TrainingFailed at a non-finite loss.
    """
    training_set, held_out = (
        pretraining_people(people, report=rendering).pictures for people in (TRAINING_SET, HELD_OUT)
    )
    began, losses = time.process_time(), list[float]()

    def keep(stage: str, step: Step) -> None:
        losses.append(float(step.terms["parts"]))
        report(stage, step)

    network = train_parser(training_set, choices, seed, keep)
    seconds = time.process_time() - began
    weights = folder / weights_of(name).name
    save_network(weights, network, {"seed": seed, "choices": asdict(choices), "taught": asdict(TRAINING_SET)})
    assert held_out.part_map is not None
    found = parse_pictures(embedded_parser(name, weights), held_out.image)
    score = score_interval(
        found.numpy(), held_out.part_map.numpy(), held_out.person.numpy(), LIP, numpy_stream(seed, "people")
    )
    return ParserReport(name, weights, seed, choices, TRAINING_SET, score, tuple(losses), seconds)


def train_parser(pictures: Pictures, choices: ParserTraining, seed: int, report: Report) -> UNet:
    """A network trained on `pictures` by cross-entropy at every pixel, in eval mode; `report` hears of every step.

    Float32 on one thread: the same seed gives the same bits. Raises TrainingFailed at a non-finite loss.
    """
    network = UNet(len(LIP.parts), torch_stream(seed, "initial weights of the parser"))
    network.to(memory_format=torch.channels_last).train()  # a fifth faster on a CPU
    epochs = min(EPOCHS, choices.steps)
    weight = _class_weights(pictures, choices.rarity)

    def batches(epoch: int) -> list[Tensor]:
        first, end = (choices.steps * place // epochs for place in (epoch - 1, epoch))
        return [_draw_batch(len(pictures), choices, seed, number) for number in range(first, end)]

    def terms(drawn: Tensor) -> dict[str, Tensor]:
        image, part_map = _look_up(pictures, drawn)
        images = NORMALIZATION.normalize(image).contiguous(memory_format=torch.channels_last)
        logits = F.interpolate(network(images), part_map.shape[1:], mode="bilinear", align_corners=False)
        return {"parts": F.cross_entropy(logits, part_map.long(), weight)}

    optimizer = torch.optim.AdamW(network.parameters(), choices.rate, weight_decay=choices.weight_decay)
    schedule = smooth_cosine(epochs, choices.warmup * epochs, 0.01)
    with one_thread():
        for step in Fit(epochs, batches, terms, optimizer, schedule):
            report("pretrain", step)
    return network.to(memory_format=torch.contiguous_format).eval()


def _class_weights(pictures: Pictures, rarity: float) -> Tensor:
    """Returns the weight of every class in the loss, [C]; 1 for a class of average share."""
    assert pictures.part_map is not None
    classes = len(LIP.parts)
    share = torch.bincount(pictures.part_map.flatten(), minlength=classes) / pictures.part_map.numel()
    return (share * classes).clamp(min=1e-4).pow(-rarity)


def _draw_batch(count: int, choices: ParserTraining, seed: int, number: int) -> Tensor:
    """int64 [batch, 2]: pictures, and whether each is mirrored; every batch from a stream of its own."""
    stream = torch_stream(seed, f"batch {number} of the parser")
    index = torch.randint(count, (choices.batch,), generator=stream)
    chosen = torch.rand(choices.batch, generator=stream) < choices.mirrored
    return torch.stack([index, chosen.long()], dim=1)


def _look_up(pictures: Pictures, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Image uint8 [B, 3, H, W] and part map uint8 [B, H, W]; mirroring swaps left and right."""
    assert pictures.part_map is not None
    index, chosen = drawn[:, 0], drawn[:, 1] > 0
    table = torch.from_numpy(LIP.mirror_table())
    return mirror(pictures.image[index], pictures.part_map[index], chosen, table)
