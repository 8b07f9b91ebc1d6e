"""Block 4, stage 2: images per second, where the time goes, and how near the device comes to its matrix products."""

from statistics import median

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting
from harness.perf.stage_2 import PHASES, Watched, watch_stage_2
from harness.perf.timing import matrix_rate, seconds
from harness.plan.workload import count_work
from pivl.data.part_maps.labels import LIP
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.recipe import Recipe, Stage
from pivl.system.parallel import cores
from pivl.towers.clip import Clip

DUKE = {23: 326, 24: 376}  # DukeMTMC-reID's 702 training people and 16,522 pictures, as even as they come
ROWS, SEEDS = 4, 5
CPU_IMAGES = 8  # of the paper-size tower on a CPU, where a batch of 64 takes half a minute
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def measure(setting: Setting) -> Block:
    """The embedded tower and the paper-size one, PI-VL on both."""
    cpu = setting.device.type == "cpu"
    images = CPU_IMAGES if cpu else 64
    precisions = {setting.precision, setting.embedded.precision}
    rates = {one: matrix_rate(setting.device, DTYPES[one]) for one in sorted(precisions)}
    clip = setting.large_clip()
    prompts = _stage_1_seconds(setting, clip)
    small, small_flops = _watch(
        setting, setting.embedded, setting.embedded_clip(), 64, 2 if setting.quick else 8
    )
    large, flops = _watch(setting, setting.large, clip, images, 2 if setting.quick else 3)
    used = flops / median(large.step_seconds()) / rates[setting.precision]
    small_used = small_flops / median(small.step_seconds()) / rates[setting.embedded.precision]
    figures = [
        *_figures("embedded", small, 64),
        Figure("embedded: of a matrix product's rate", 100 * small_used, "%"),
        *_figures(setting.backbone, large, images),
        Figure(f"{setting.backbone}: of a matrix product's rate", 100 * used, "%"),
        *(Figure(f"matrix product, {one}", rate / 1e9, "GFLOP/s") for one, rate in rates.items()),
        Figure("Table 3 at Duke's size, 4 rows x 5 seeds", _table_3(setting, large, images, prompts) / 86400, "days"),
    ]  # fmt: skip
    bars = [
        Bar(
            "embedded: losses and optimiser, % of a step", 100 * small.share("losses", "optimiser"), 10, False
        ),
        Bar(
            f"{setting.backbone}: losses and optimiser, % of a step",
            100 * large.share("losses", "optimiser"),
            10,
            False,
        ),
    ]
    if not cpu:
        bars.append(Bar(f"{setting.backbone}: input, % of a step", 100 * large.share("input"), 5, False))
        bars.append(Bar(f"{setting.backbone}: % of a matrix product's rate", 100 * used, 40, True))
    notes = [
        f"{setting.backbone} is measured with {images} pictures in a batch at {setting.precision}, the embedded tower "
        f"with 64 at {setting.embedded.precision}."
    ]
    if cpu:
        notes.append(f"Table 3: {cores()} runs at a time, one a core, at the rate of one alone.")
        notes.append("torch.compile and CUDA graphs are not used: they could not be measured without a GPU.")
    return Block("step", "4. Stage 2: one step of PI-VL", tuple(figures), tuple(bars), tuple(notes))


def _watch(setting: Setting, recipe: Recipe, clip: Clip, images: int, steps: int) -> tuple[Watched, int]:
    """Stage 2 after so many steps, and the floating-point operations of one."""
    watched = watch_stage_2(recipe, clip, setting.device, images)
    watched.run(steps + 1)
    counter = FlopCounterMode(display=False)
    with counter:
        terms = watched.fit.loss_terms(torch.arange(images))
        torch.stack(list(terms.values())).sum().backward()
    return watched, counter.get_total_flops()


def _figures(name: str, watched: Watched, images: int) -> list[Figure]:
    rates = [images / one for one in watched.step_seconds()]
    shares = [Figure(f"{name}: {phase}", 100 * watched.share(phase), "% of a step") for phase in PHASES]
    return [Figure.of(f"{name}: stage 2", rates, "images/s"), *shares]


def _stage_1_seconds(setting: Setting, clip: Clip) -> dict[Stage, float]:
    """Seconds of the texts in one step of stage 1a and of 1b, forward and backward, nearly all of the step."""
    prompts = Prompts(clip.text, clip.vocabulary, LIP).to(setting.device)
    width = clip.text.architecture.width
    drawn = draw_identity_tokens(16, 4, width, torch.Generator().manual_seed(0))
    tokens = nn.Parameter(drawn.to(setting.device))
    every = torch.arange(16 * len(LIP.parts), device=setting.device)
    both = {
        "identity-prompts": lambda: prompts.people(tokens).sum().backward(),
        "part-prompts": lambda: prompts.parts(tokens, every // 20, every % 20).sum().backward(),
    }
    return {stage: seconds(work, setting.device) for stage, work in both.items()}  # type: ignore[misc]


def _table_3(setting: Setting, large: Watched, images: int, prompts: dict[Stage, float]) -> float:
    """Seconds of Table 3 on DukeMTMC-reID: stage 1 once a seed, stage 2 once a row and seed."""
    recipe = setting.large
    work = {stage: count_work(recipe, stage, DUKE, None) for stage in recipe.stages()}
    stage_1 = sum(work[stage].steps * taken for stage, taken in prompts.items())
    stage_2 = work["image-tower"].images * median(large.step_seconds()) / images
    slots = cores() if setting.device.type == "cpu" else 1
    return SEEDS * (stage_1 + ROWS * stage_2) / slots
